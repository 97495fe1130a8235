import { describe, expect, it } from 'vitest'
import { ask, type Handler, replaying, startMachine, startProxy } from './support/world.ts'

/** A machine in ams that refuses connections, and one in nrt that replays to it. */
const world = async (header: string, options = {}, handler?: Handler) => {
  const local = await startMachine('local@nrt', handler ?? replaying({ 'fly-replay': header }))
  const gone = await startMachine('gone@ams')
  await gone.stop()
  const running = await startProxy([local, gone], options)
  return { local, ...running, url: running.proxy.edge('nrt').url }
}

describe('1.5: timeout and fallback', () => {
  it('1.5: timeout without fallback only makes the error come sooner', async () => {
    const { url, logs } = await world('region=ams;timeout=100ms', { noCandidateWaitMillis: 5000 })
    const reply = await ask(url)
    expect(reply).toMatchObject({ status: 502, body: '' })
    expect(reply.ms).toBeGreaterThanOrEqual(95)
    expect(reply.ms).toBeLessThan(1000)
    expect(logs).toMatchObject([{ code: 'PR03', message: expect.stringContaining('last error: ') }])
  })

  it.each(['force_self', 'prefer_self'])(
    '1.5: with fallback=%s the original request returns to the sender with fly-replay-failed',
    async (fallback) => {
      const { url, local, requestEvent } = await world(`region=ams;state=s;timeout=100ms;fallback=${fallback}`)
      const reply = await ask(url, { method: 'POST', path: '/w?x=1', body: 'hello' })
      expect(reply).toMatchObject({ status: 200, body: 'local' })
      expect(local.seen).toHaveLength(2)
      expect(local.seen[1]).toMatchObject({ method: 'POST', url: '/w?x=1', body: 'hello' })
      expect(local.seen[1]?.headers).not.toHaveProperty('fly-replay-src')
      const failed = String(local.seen[1]?.headers['fly-replay-failed'])
      const [, elapsed] = /^app=app;region=ams;replay_source=local;reason=timeout;elapsed_ms=(\d+)$/.exec(failed) ?? []
      expect(Number(elapsed)).toBeGreaterThanOrEqual(95)
      const event = await requestEvent()
      expect(event.hops.map(({ purpose, machine }) => `${purpose} ${machine}`)).toEqual([
        'first local',
        'replay gone',
        'fallback local',
      ])
      expect(event.hops[1]?.connectFailure).toMatchObject({ reason: 'ECONNREFUSED' })
      expect(event.hops[1]?.connectFailure?.attempts).toBeGreaterThan(1)
    },
  )

  it('1.5: exhausted retries (no timeout given) say so', async () => {
    const { url, local } = await world('region=ams;fallback=force_self', { noCandidateWaitMillis: 90 })
    await ask(url)
    expect(local.seen[1]?.headers['fly-replay-failed']).toMatch(/reason=retries_exhausted;/)
  })

  it('1.5: no candidate says so, after the wait; the instance asked for is named', async () => {
    const { url, local } = await world('instance=nobody;timeout=120ms;fallback=force_self')
    const reply = await ask(url)
    expect(reply.body).toBe('local')
    expect(reply.ms).toBeGreaterThanOrEqual(115)
    expect(local.seen[1]?.headers['fly-replay-failed']).toMatch(
      /^instance=nobody;app=app;replay_source=local;reason=no_candidate;elapsed_ms=\d+$/,
    )
  })

  it('1.5: a fallback request must not answer fly-replay: 502', async () => {
    const again: Handler = (_seen, response) =>
      response.writeHead(409, { 'fly-replay': 'region=ams;timeout=50ms;fallback=force_self' }).end()
    const { url, local, logs } = await world('', {}, again)
    expect(await ask(url)).toMatchObject({ status: 502, body: '' })
    expect(local.seen).toHaveLength(2)
    expect(logs).toMatchObject([{ code: 'PA03' }])
  })

  it('1.5: fallbackReplay "allow" counts it as one more replay, so the loop ends at PA02', async () => {
    const again: Handler = (_seen, response) =>
      response.writeHead(409, { 'fly-replay': 'region=ams;timeout=1ms;fallback=force_self' }).end()
    const { url, logs } = await world('', { fallbackReplay: 'allow', maxReplays: 2 }, again)
    expect((await ask(url)).status).toBe(502)
    expect(logs).toMatchObject([{ code: 'PA02' }])
  })

  it.each([
    ['force_self', 502, ''],
    ['prefer_self', 200, 'twin'],
  ])(
    '1.5: %s when the sender is gone: exactly that machine else error / any of the original app',
    async (fallback, status, body) => {
      const local = await startMachine('local@nrt', (_seen, response) => {
        response
          .writeHead(409, { 'fly-replay': `region=gru;timeout=150ms;fallback=${fallback}` })
          .end(() => void local.stop())
      })
      const twin = await startMachine('twin@ord')
      const { proxy } = await startProxy([local, twin], { noCandidateWaitMillis: 200 })
      expect(await ask(proxy.edge('nrt').url)).toMatchObject({ status, body })
      for (const { headers } of twin.seen) {
        expect(headers['fly-replay-failed']).toMatch(/replay_source=local;/)
        expect(headers).not.toHaveProperty('fly-preferred-instance-unavailable')
      }
    },
  )

  it('1.5: once a connection opens, the replay succeeded: an app error triggers nothing, nor does slowness', async () => {
    const local = await startMachine(
      'local@nrt',
      replaying({ 'fly-replay': 'region=ams;timeout=50ms;fallback=force_self' }),
    )
    const home = await startMachine(
      'home@ams',
      (_seen, response) => void setTimeout(() => response.writeHead(500).end('app error'), 200),
    )
    const { proxy } = await startProxy([local, home])
    expect(await ask(proxy.edge('nrt').url)).toMatchObject({ status: 500, body: 'app error' })
    expect(local.seen).toHaveLength(1)
  })

  it('1.5: a machine that breaks off after the connection may have done the work: 502, never sent again', async () => {
    const local = await startMachine(
      'local@nrt',
      replaying({ 'fly-replay': 'region=ams;timeout=1s;fallback=force_self' }),
    )
    const home = await startMachine('home@ams', (_seen, response) => response.destroy())
    const { proxy, logs } = await startProxy([local, home])
    expect(await ask(proxy.edge('nrt').url, { method: 'POST', body: 'x' })).toMatchObject({ status: 502, body: '' })
    expect([local.seen.length, home.seen.length]).toEqual([1, 1])
    expect(logs).toMatchObject([{ code: 'PU02' }])
  })

  it('1.10.7: no machine yet: one that comes up in time gets the replay', async () => {
    const local = await startMachine(
      'local@nrt',
      replaying({ 'fly-replay': 'region=ams;timeout=5s;fallback=force_self' }),
    )
    const home = await startMachine('home@ams')
    await home.stop()
    const { proxy } = await startProxy([local, home])
    const reply = ask(proxy.edge('nrt').url)
    setTimeout(() => void startMachine('home@ams', undefined, Number(new URL(home.url).port)), 150)
    expect(await reply).toMatchObject({ status: 200, body: 'home' })
    expect(local.seen).toHaveLength(1)
  })
})
