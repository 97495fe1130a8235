import { describe, expect, it } from 'vitest'
import { FlyProxyError } from '../src/index.ts'
import { ask, type Handler, replaying, startMachine, startProxy } from './support/world.ts'

const localAndHome = async (handler?: Handler, options = {}, overrides = {}) => {
  const local = await startMachine('local@nrt', handler)
  const home = await startMachine('home@ams')
  const world = await startProxy([local, home], options, overrides)
  return { local, home, ...world, url: world.proxy.edge('nrt').url }
}

describe('fly E6: 1 MB', () => {
  it('fly E6: where it is 10⁶, a body of 1,020,000 is PA01; where it is 2²⁰, it is replayed; 10⁶ fits either way', async () => {
    const outcome = async (bufferLimit: number, length: number): Promise<[number, string | undefined]> => {
      const { url, home, logs } = await localAndHome(replaying({ 'fly-replay': 'region=ams' }), { bufferLimit })
      const { status } = await ask(url, { method: 'POST', body: Buffer.alloc(length, 'z') })
      expect(home.seen.map(({ body }) => body.length)).toEqual(status === 200 ? [length] : [])
      return [status, logs[0]?.code]
    }
    expect(await outcome(1_000_000, 1_020_000)).toEqual([502, 'PA01'])
    expect(await outcome(1_048_576, 1_020_000)).toEqual([200, undefined])
    for (const limit of [1_000_000, 1_048_576]) expect(await outcome(limit, 1_000_000)).toEqual([200, undefined])
  })
})

describe('fly E7: what the proxy knows late', () => {
  it('fly E7: a machine that stopped is tried as if it ran, refuses, and is woken once its stop is known', async () => {
    const { url, proxy, requestEvent, events } = await localAndHome(replaying({ 'fly-replay': 'region=ams' }), {
      noCandidateWaitMillis: 5000,
    })
    proxy.faults.staleCatalog(200)
    proxy.faults.stopMachine('home')
    const reply = await ask(url, { method: 'POST', body: 'x' })
    expect(reply.body).toBe('home')
    expect(reply.ms).toBeGreaterThanOrEqual(195)
    expect((await requestEvent()).hops).toMatchObject([
      { machine: 'local', status: 409 },
      { machine: 'home', connectFailure: { reason: 'not running any more' } },
      { machine: 'home', status: 200 },
    ])
    expect(events.flatMap((event) => (event.type === 'machine' ? [event.state] : []))).toEqual([
      'stopped',
      'starting',
      'started',
    ])
  })

  it('fly E7: where another machine can take the request, that is PM11, and the other gets it', async () => {
    const [first, second] = [await startMachine('first@ams'), await startMachine('second@ams')]
    const local = await startMachine('local@nrt', replaying({ 'fly-replay': 'region=ams' }))
    const { proxy, requestEvent } = await startProxy([local, first, second])
    proxy.faults.staleCatalog(60_000)
    proxy.faults.stopMachine('first')
    expect((await ask(proxy.edge('nrt').url, { method: 'POST', body: 'x' })).body).toBe('second')
    expect((await requestEvent()).hops).toMatchObject([
      { machine: 'local', status: 409 },
      { machine: 'first', connectFailure: { reason: 'not running any more (PM11)' } },
      { machine: 'second', status: 200 },
    ])
  })

  it('fly E7: a replay in that time comes back by fallback when its own time is shorter', async () => {
    const { url, proxy, local, home } = await localAndHome(
      replaying({ 'fly-replay': 'region=ams;timeout=80ms;fallback=force_self' }),
    )
    proxy.faults.staleCatalog(60_000)
    proxy.faults.stopMachine('home')
    expect((await ask(url)).body).toBe('local')
    expect(local.seen[1]?.headers['fly-replay-failed']).toMatch(/reason=timeout;/)
    expect(home.seen).toHaveLength(0)
  })

  it('fly E7: the machines of a region that came back are no candidates yet, and are after that time', async () => {
    const { url, proxy } = await localAndHome()
    const far = { headers: { 'fly-force-region': 'ams' } }
    proxy.faults.staleCatalog(60_000)
    proxy.faults.regionDown('ams')
    proxy.faults.regionUp('ams')
    const replayed = await localAndHome(replaying({ 'fly-replay': 'region=ams;timeout=50ms;fallback=force_self' }))
    replayed.proxy.faults.staleCatalog(60_000)
    replayed.proxy.faults.regionDown('ams')
    replayed.proxy.faults.regionUp('ams')
    expect((await ask(url, far)).status).toBe(502)
    expect((await ask(replayed.url)).body).toBe('local')
    expect(replayed.local.seen[1]?.headers['fly-replay-failed']).toMatch(/reason=no_candidate;/)
    proxy.faults.staleCatalog(0)
    expect((await ask(url, far)).body).toBe('home')
    expect(() => proxy.faults.staleCatalog(-1)).toThrow(FlyProxyError)
  })

  it('fly E7: a machine that is suspended resumes in its own time', async () => {
    const { url, requestEvent } = await localAndHome(
      replaying({ 'fly-replay': 'region=ams' }),
      { wakeMillis: 60_000, noCandidateWaitMillis: 5000 },
      { home: { isStopped: true, wakeMillis: 120 } },
    )
    expect((await ask(url)).body).toBe('home')
    expect((await requestEvent()).hops[1]?.wakeMillis).toBeGreaterThanOrEqual(115)
  })

  it('fly E7: a replica region at zero: its requests go abroad to a running machine, or start its own, as the option says', async () => {
    for (const [stoppedMachines, expected] of [
      ['last', 'home'],
      ['by-distance', 'local'],
    ] as const) {
      const { url, local, home } = await localAndHome(undefined, { stoppedMachines }, { local: { isStopped: true } })
      expect((await ask(url)).body).toBe(expected)
      expect([local.seen.length, home.seen.length]).toEqual(expected === 'home' ? [0, 1] : [1, 0])
    }
  })

  it('fly E7: over its soft limit a machine is passed over inside its region, and nobody goes abroad for it', async () => {
    const open: (() => void)[] = []
    const hold: Handler = (_seen, response) => void open.push(() => response.end('held'))
    const [first, second] = [await startMachine('first@nrt', hold), await startMachine('second@nrt', hold)]
    const home = await startMachine('home@ams')
    const overrides = { first: { softLimit: 1 }, second: { softLimit: 3 } }
    const { proxy } = await startProxy([first, second, home], {}, overrides)
    const { url } = proxy.edge('nrt')
    const replies = []
    for (let count = 1; count <= 5; count += 1) {
      replies.push(ask(url))
      await expect.poll(() => open.length).toBe(count)
    }
    // One, then the other three; then both are over it, and the less busy one is as good as any.
    expect([first, second, home].map(({ seen }) => seen.length)).toEqual([2, 3, 0])
    for (const end of open) end()
    for (const { body } of await Promise.all(replies)) expect(body).toBe('held')
  })
})

describe('elsewhere', () => {
  const three = async (first: Handler, second?: Handler) => {
    const machines = [
      await startMachine('first@nrt', first),
      await startMachine('second@nrt', second),
      await startMachine('home@ams'),
    ] as const
    return { machines, ...(await startProxy(machines)) }
  }
  const nameOf = async (fields: string): Promise<string> => {
    const { proxy } = await three(replaying({ 'fly-replay': fields }))
    return (await ask(proxy.edge('nrt').url, { headers: { 'fly-force-instance-id': 'first' } })).body
  }

  it('elsewhere: names a target by itself: the nearest machine but the one that said it', async () => {
    expect(await nameOf('elsewhere=true')).toBe('second')
  })

  it('elsewhere: narrows regions and a preferred instance, and false narrows nothing', async () => {
    expect(await nameOf('region="nrt,any";elsewhere=true')).toBe('second')
    expect(await nameOf('region="ams,any";elsewhere=true')).toBe('home')
    expect(await nameOf('prefer_instance=first;elsewhere=true')).toBe('second')
    expect(await nameOf('prefer_instance=first;elsewhere=false')).toBe('first')
  })

  it('elsewhere: with nobody else there it fails as no candidate, and the fallback may come back all the same', async () => {
    const only = await startMachine('only@nrt', replaying({ 'fly-replay': 'region=nrt;elsewhere=true' }))
    const alone = await startProxy([only])
    expect((await ask(alone.proxy.edge('nrt').url)).status).toBe(502)
    expect(alone.logs).toMatchObject([{ code: 'PR01' }])
    const back = await startMachine(
      'back@nrt',
      replaying({ 'fly-replay': 'elsewhere=true;timeout=50ms;fallback=force_self' }),
    )
    const { proxy } = await startProxy([back])
    expect((await ask(proxy.edge('nrt').url)).body).toBe('back')
    expect(back.seen[1]?.headers['fly-replay-failed']).toMatch(/reason=no_candidate;/)
  })

  it('elsewhere: forbids the last sender only: two machines may hand a request to and fro until PA02', async () => {
    const away: Handler = (_seen, response) =>
      response.writeHead(409, { 'fly-replay': 'region=nrt;elsewhere=true' }).end()
    const { machines, proxy, logs, requestEvent } = await three(away, away)
    expect((await ask(proxy.edge('nrt').url)).status).toBe(502)
    expect(logs).toMatchObject([{ code: 'PA02' }])
    const [first, second, home] = machines.map(({ seen }) => seen.length)
    expect([(first ?? 0) + (second ?? 0), home]).toEqual([11, 0])
    const way = (await requestEvent()).hops.map(({ machine }) => machine)
    expect(way.some((machine, at) => machine === way[at + 1])).toBe(false)
  })
})
