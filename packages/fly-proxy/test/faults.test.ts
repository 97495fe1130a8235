import { once } from 'node:events'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { createFlyProxy, FlyProxyError, realRoundTripMillis } from '../src/index.ts'
import { ask, type Handler, quickest, replaying, startMachine, startProxy } from './support/world.ts'

function defer(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => {}
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  return { promise, resolve }
}

const oneOcean = (from: string, to: string): number => (from === to ? 0 : 100)
const localAndHome = async (handler?: Handler, options = {}, overrides = {}) => {
  const local = await startMachine('local@nrt', handler)
  const home = await startMachine('home@ams')
  const world = await startProxy([local, home], options, overrides)
  return { local, home, ...world, url: world.proxy.edge('nrt').url }
}

describe('latency', () => {
  it('a request to the edge’s own region pays none, one to another region one round trip', async () => {
    const { url } = await localAndHome(undefined, { latency: oneOcean })
    expect(
      await quickest(
        async () => (await ask(url)).ms,
        (ms) => ms < 50,
      ),
    ).toBeLessThan(50)
    const far = async (): Promise<number> => {
      const { ms } = await ask(url, { headers: { 'fly-force-region': 'ams' } })
      expect(ms).toBeGreaterThanOrEqual(99)
      return ms
    }
    expect(await quickest(far, (ms) => ms < 130)).toBeLessThan(130)
  })

  it('2: a replay from nrt to ams is ONE ocean crossing: the edge sends it, not the machine', async () => {
    const { url, requestEvent } = await localAndHome(replaying({ 'fly-replay': 'region=ams' }), { latency: oneOcean })
    const write = async (): Promise<number> => {
      const { ms, body } = await ask(url, { method: 'POST', body: 'x' })
      expect(body).toBe('home')
      expect(ms).toBeGreaterThanOrEqual(99)
      return ms
    }
    expect(await quickest(write, (ms) => ms < 130)).toBeLessThan(130)
    const { hops, totalMillis } = await requestEvent()
    expect(hops).toMatchObject([
      { roundTripMillis: 0, status: 409, replay: { region: 'ams', hasState: false } },
      { roundTripMillis: 100, status: 200 },
    ])
    const [first, second] = hops
    expect((second?.endedMillis ?? 0) - (second?.startedMillis ?? 0)).toBeGreaterThanOrEqual(99)
    expect(second?.startedMillis).toBeGreaterThanOrEqual(first?.endedMillis ?? 0)
    expect(totalMillis).toBeGreaterThanOrEqual(second?.endedMillis ?? 0)
  })

  it('2: a replay back to the edge’s own region costs the first visit’s crossing and no second one', async () => {
    const local = await startMachine('local@nrt')
    const home = await startMachine('home@ams', replaying({ 'fly-replay': 'region=nrt' }))
    const { proxy } = await startProxy([local, home], { latency: oneOcean })
    const there = async (): Promise<number> => {
      const reply = await ask(proxy.edge('nrt').url, { headers: { 'fly-force-region': 'ams' } })
      expect(reply.body).toBe('local')
      expect(reply.ms).toBeGreaterThanOrEqual(99)
      return reply.ms
    }
    expect(await quickest(there, (ms) => ms < 150)).toBeLessThan(150)
  })

  it('"real" and { scale } inject what realRoundTripMillis says, and setLatency changes it', async () => {
    const { url, proxy } = await localAndHome(undefined, { latency: { scale: 0.25 } })
    const far = { headers: { 'fly-force-region': 'ams' } }
    const expected = realRoundTripMillis('nrt', 'ams') / 4
    expect((await ask(url, far)).ms).toBeGreaterThanOrEqual(expected - 2)
    proxy.faults.setLatency('none')
    expect(
      await quickest(
        async () => (await ask(url, far)).ms,
        (ms) => ms < 50,
      ),
    ).toBeLessThan(50)
    expect(() => proxy.faults.setLatency({ scale: -1 })).toThrow(FlyProxyError)
  })

  it('a streamed answer is late, not slowed down: chunks keep their intervals', async () => {
    const slow = await startMachine('slow@ams', (_seen, response) => {
      response.write('a')
      setTimeout(() => response.end('b'), 60)
    })
    const { proxy } = await startProxy([slow, await startMachine('local@nrt')], { latency: oneOcean })
    const stream = async (): Promise<number> => {
      const reply = await ask(proxy.edge('nrt').url, { headers: { 'fly-force-region': 'ams' } })
      expect(reply.body).toBe('ab')
      expect(reply.ms).toBeGreaterThanOrEqual(155)
      return reply.ms
    }
    expect(await quickest(stream, (ms) => ms < 195)).toBeLessThan(195)
  })

  it('a large answer comes whole through the cable', async () => {
    const body = 'x'.repeat(12_000_000)
    const { proxy } = await startProxy(
      [await startMachine('big@ams', (_seen, response) => response.end(body)), await startMachine('local@nrt')],
      { latency: () => 10 },
    )
    expect((await ask(proxy.edge('nrt').url, { headers: { 'fly-force-region': 'ams' } })).body.length).toBe(body.length)
  })
})

describe('1.10: fault knobs', () => {
  it('region down: a replay to it comes back by fallback; up again it works', async () => {
    const { url, proxy, events } = await localAndHome(
      replaying({ 'fly-replay': 'region=ams;timeout=100ms;fallback=prefer_self' }),
    )
    proxy.faults.regionDown('ams')
    expect(proxy.faults.downRegions).toEqual(['ams'])
    expect((await ask(url)).body).toBe('local')
    proxy.faults.regionUp('ams')
    expect((await ask(url)).body).toBe('home')
    expect(events.filter(({ type }) => type === 'region')).toEqual([
      { type: 'region', region: 'ams', isDown: true },
      { type: 'region', region: 'ams', isDown: false },
    ])
  })

  it('region down: its edge’s clients are served by the nearest healthy region’s edge, at that distance', async () => {
    const { url, proxy, requestEvent } = await localAndHome(undefined, { latency: oneOcean })
    proxy.faults.regionDown('nrt')
    const reply = await ask(url)
    expect(reply.body).toBe('home')
    expect(reply.ms).toBeGreaterThanOrEqual(99)
    expect(await requestEvent()).toMatchObject({
      edge: 'nrt',
      servedBy: 'ams',
      hops: [{ machine: 'home', roundTripMillis: 0 }],
    })
  })

  it('region down: what is under way there is cut', async () => {
    const stuck = await startMachine('stuck@ams', () => {})
    const { proxy, logs } = await startProxy([stuck, await startMachine('local@nrt')])
    const reply = ask(proxy.edge('nrt').url, { headers: { 'fly-force-region': 'ams' } })
    while (stuck.seen.length === 0) await delay(5)
    proxy.faults.regionDown('ams')
    expect((await reply).status).toBe(502)
    expect(logs).toMatchObject([{ code: 'PU02' }])
  })

  it('all regions down: 502 after the wait', async () => {
    const { url, proxy } = await localAndHome(undefined, { noCandidateWaitMillis: 50 })
    proxy.faults.regionDown('ams')
    proxy.faults.regionDown('nrt')
    expect(await ask(url)).toMatchObject({ status: 502, body: '' })
  })

  it('1.8: a stopped target starts: wakeMillis and its wake callback run once for all waiting requests', async () => {
    let wakes = 0
    const wake = async (): Promise<void> => {
      wakes += 1
    }
    const { url, requestEvent, events } = await localAndHome(
      replaying({ 'fly-replay': 'region=ams' }),
      { wakeMillis: 200 },
      { home: { isStopped: true, wake } },
    )
    const replies = await Promise.all([ask(url), ask(url), ask(url)])
    for (const { body, ms } of replies) {
      expect(body).toBe('home')
      expect(ms).toBeGreaterThanOrEqual(195)
    }
    expect(wakes).toBe(1)
    expect(
      await quickest(
        async () => (await ask(url)).ms,
        (ms) => ms < 150,
      ),
    ).toBeLessThan(150)
    expect((await requestEvent()).hops[1]?.wakeMillis).toBeGreaterThanOrEqual(195)
    expect(events.flatMap((event) => (event.type === 'machine' ? [event.state] : []))).toEqual(['starting', 'started'])
  })

  it('a machine that cannot be woken in time refuses; timeout and fallback apply', async () => {
    const { url, local } = await localAndHome(
      replaying({ 'fly-replay': 'region=ams;timeout=80ms;fallback=force_self' }),
      { wakeMillis: 2000 },
      { home: { isStopped: true } },
    )
    const reply = await ask(url)
    expect(reply.body).toBe('local')
    expect(reply.ms).toBeLessThan(1000)
    expect(local.seen[1]?.headers['fly-replay-failed']).toMatch(/reason=timeout;/)
  })

  it('stopMachine and startMachine', async () => {
    const { url, proxy } = await localAndHome()
    proxy.faults.stopMachine('local')
    expect((await ask(url)).body).toBe('home')
    await proxy.faults.startMachine('local')
    expect((await ask(url)).body).toBe('local')
    expect(() => proxy.faults.stopMachine('nobody')).toThrow(/local, home/)
  })

  it('1.8: over hard limit: queued, then 503', async () => {
    const gate: (() => void)[] = []
    const machine = await startMachine('only@nrt', (_seen, response) => void gate.push(() => response.end('done')))
    const { proxy, logs } = await startProxy([machine], { noCandidateWaitMillis: 400 }, { only: { hardLimit: 1 } })
    const { url } = proxy.edge('nrt')
    const first = ask(url)
    while (gate.length < 1) await delay(5)
    const second = ask(url)
    await delay(60)
    expect(machine.seen).toHaveLength(1)
    gate[0]?.()
    expect((await first).body).toBe('done')
    while (gate.length < 2) await delay(5)
    expect((await ask(url)).status).toBe(503)
    expect(logs).toMatchObject([{ code: 'PR03' }])
    gate[1]?.()
    expect((await second).body).toBe('done')
  })

  it('1.8: over hard limit: the next nearest with room is taken', async () => {
    const { url, proxy } = await localAndHome()
    proxy.faults.setHardLimit('local', 0)
    expect((await ask(url)).body).toBe('home')
    proxy.faults.setHardLimit('local')
    expect((await ask(url)).body).toBe('local')
  })

  it('failReplays: every replay finds its target unreachable', async () => {
    const { url, proxy, home } = await localAndHome(
      replaying({ 'fly-replay': 'region=ams;timeout=50ms;fallback=force_self' }),
    )
    proxy.faults.failReplays(true)
    expect((await ask(url)).body).toBe('local')
    expect(home.seen).toHaveLength(0)
    proxy.faults.failReplays(false)
    expect((await ask(url)).body).toBe('home')
  })

  it('no-proxy mode: the client sees the raw 409, the machine no Fly headers', async () => {
    const { url, proxy, local, home } = await localAndHome(
      replaying({ 'fly-replay': 'region=ams', 'set-cookie': 'a=1' }, 'raw'),
    )
    proxy.faults.noProxy(true)
    const reply = await ask(url, { headers: { 'fly-replay-failed': '' } })
    expect(reply.status).toBe(200)
    const raw = await ask(url)
    expect(raw).toMatchObject({
      status: 409,
      body: 'raw',
      headers: { 'fly-replay': 'region=ams', 'set-cookie': ['a=1'] },
    })
    expect(raw.headers).not.toHaveProperty('via')
    expect(Object.keys(local.seen[1]?.headers ?? {}).filter((name) => /^fly-|^x-forwarded|^via/.test(name))).toEqual([])
    expect(home.seen).toHaveLength(0)
  })
})

describe('connections', () => {
  it('the client’s abort reaches the machine, mid-answer and before it', async () => {
    for (const startsAnswer of [true, false]) {
      const aborted = defer()
      const machine = await startMachine('m@nrt', (_seen, response) => {
        response.on('close', aborted.resolve)
        if (startsAnswer) response.write('x')
      })
      const { proxy, requestEvent } = await startProxy([machine])
      const leave = new AbortController()
      const reply = ask(proxy.edge('nrt').url, { signal: leave.signal })
      while (machine.seen.length === 0) await delay(5)
      if (startsAnswer) await delay(30)
      leave.abort()
      await expect(reply).rejects.toThrow()
      await aborted.promise
      expect(await requestEvent()).toMatchObject({ outcome: 'client-aborted' })
    }
  })

  it('the machine’s abort mid-answer reaches the client', async () => {
    const machine = await startMachine('m@nrt', (_seen, response) => {
      response.writeHead(200, { 'content-length': '10' })
      response.write('half')
      setTimeout(() => response.destroy(), 30)
    })
    const { proxy, requestEvent } = await startProxy([machine])
    await expect(ask(proxy.edge('nrt').url)).rejects.toThrow()
    expect(await requestEvent()).toMatchObject({ outcome: 'upstream-aborted', status: 200 })
  })

  it('connections to machines are kept and used again, across replays', async () => {
    const { url, local, home } = await localAndHome(replaying({ 'fly-replay': 'region=ams' }))
    let connections = 0
    const count = (): void => {
      connections += 1
    }
    for (const { server } of [local, home]) server.on('connection', count)
    for (let i = 0; i < 10; i += 1) await ask(url, { method: 'POST', body: 'x' })
    expect(connections).toBe(2)
  })

  it('an answer that cannot be forwarded is a 502 with a log line, not a hang', async () => {
    const { url, logs, requestEvent } = await localAndHome(undefined, {
      latency: (_from: string, to: string) => (to === 'nrt' ? Number.NaN : 0),
    })
    expect((await ask(url)).status).toBe(502)
    expect(logs).toMatchObject([{ code: 'PU02', message: expect.stringContaining('latency(nrt, nrt)') }])
    expect(await requestEvent()).toMatchObject({ status: 502, outcome: 'answered' })
  })

  it('an event stream’s head arrives before its first byte', async () => {
    const machine = await startMachine('m@nrt', (_seen, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.flushHeaders()
    })
    const { proxy } = await startProxy([machine])
    const outgoing = request(proxy.edge('nrt').url, { agent: false })
    outgoing.on('error', () => {})
    outgoing.end()
    const [incoming] = await once(outgoing, 'response')
    expect(incoming.headers['content-type']).toBe('text/event-stream')
    outgoing.destroy()
  })

  it('HEAD, 204 and 304 have no body; repeated headers stay apart', async () => {
    const machine = await startMachine('m@nrt', (seen, response) => {
      response.setHeader('set-cookie', ['a=1', 'b=2'])
      if (seen.method === 'HEAD') response.writeHead(200, { 'content-length': '5' }).end()
      else response.writeHead(Number(seen.url.slice(1))).end()
    })
    const { url } = (await startProxy([machine])).proxy.edge('nrt')
    expect(await ask(url, { method: 'HEAD' })).toMatchObject({
      status: 200,
      body: '',
      headers: { 'content-length': '5' },
    })
    for (const status of [204, 304]) {
      const reply = await ask(url, { path: `/${status}` })
      expect(reply).toMatchObject({ status, body: '' })
      expect(reply.headers['set-cookie']).toEqual(['a=1', 'b=2'])
    }
  })

  it('close() ends what is under way and leaves no socket, timer or listener open', async () => {
    const stuck = await startMachine('stuck@ams', () => {})
    const { proxy, requestEvent } = await startProxy([stuck], {
      latency: oneOcean,
      edges: ['nrt'],
      noCandidateWaitMillis: 60_000,
    })
    const { url } = proxy.edge('nrt')
    const replies = Promise.allSettled([
      ask(url),
      ask(url, { headers: { 'fly-force-region': 'gru' } }),
      fetch(url, { method: 'POST', body: 'x' }),
    ])
    while (stuck.seen.length < 2) await delay(5)
    await proxy.close()
    for (const { status } of await replies) expect(status).toBe('rejected')
    expect(await requestEvent(2)).toMatchObject({ outcome: 'proxy-closed' })
    stuck.server.closeAllConnections()
    await delay(20)
    const open = process.getActiveResourcesInfo().filter((name) => name === 'TCPServerWrap')
    expect(open).toHaveLength(1)
    await proxy.close()
    expect(() => proxy.edges).toThrow(FlyProxyError)
    await expect(proxy.listen()).rejects.toMatchObject({ code: 'CLOSED' })
  })

  it('listen() on a taken port fails with LISTEN_FAILED and opens nothing', async () => {
    const taken = createServer()
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
    const { port } = taken.address() as AddressInfo
    const machine = { id: 'm', region: 'nrt', url: 'http://127.0.0.1:9' }
    const proxy = createFlyProxy({
      apps: [{ name: 'a', machines: [machine] }],
      edges: ['nrt', 'ams'],
      ports: { nrt: port },
    })
    await expect(proxy.listen()).rejects.toMatchObject({ code: 'LISTEN_FAILED' })
    expect(() => proxy.edge('ams')).toThrow(FlyProxyError)
    await new Promise((resolve) => taken.close(resolve))
  })

  it('close() while listen() is under way leaves nothing open', async () => {
    const machine = { id: 'm', region: 'nrt', url: 'http://127.0.0.1:9' }
    const proxy = createFlyProxy({ apps: [{ name: 'a', machines: [machine] }], edges: ['nrt', 'ams', 'ord'] })
    const listening = proxy.listen()
    await proxy.close()
    await expect(listening).rejects.toMatchObject({ code: 'CLOSED' })
    await delay(20)
    expect(process.getActiveResourcesInfo().filter((name) => name === 'TCPServerWrap')).toEqual([])
  })

  it('await using closes it', async () => {
    const machine = await startMachine('m@nrt')
    let url = ''
    {
      await using proxy = createFlyProxy({ apps: [{ name: 'a', machines: [machine] }] })
      await proxy.listen()
      url = proxy.edge('nrt').url
      expect((await ask(url)).body).toBe('m')
    }
    await expect(ask(url)).rejects.toThrow(/ECONNREFUSED/)
  })
})
