import { describe, expect, it } from 'vitest'
import { ask, startMachine, startProxy } from './support/world.ts'

const three = async () => {
  const machines = await Promise.all([startMachine('n@nrt'), startMachine('a@ams'), startMachine('o@ord')])
  const world = await startProxy(machines, { noCandidateWaitMillis: 150 })
  const via = async (headers: Record<string, string>, edge = 'nrt') => ask(world.proxy.edge(edge).url, { headers })
  return { machines, via, ...world }
}

describe('1.6: headers clients may send', () => {
  it('1.6: nearest to the edge without any', async () => {
    const { via } = await three()
    for (const [edge, id] of [
      ['nrt', 'n'],
      ['ams', 'a'],
      ['ord', 'o'],
    ] as const)
      expect((await via({}, edge)).body).toBe(id)
  })

  it('1.6: fly-prefer-region: in order, then nearest healthy', async () => {
    const { via } = await three()
    expect((await via({ 'fly-prefer-region': 'gru, ams,ord' })).body).toBe('a')
    expect((await via({ 'fly-prefer-region': 'gru' })).body).toBe('n')
  })

  it('1.6: fly-force-region: in order, nothing outside', async () => {
    const { via } = await three()
    expect((await via({ 'fly-force-region': 'gru,ord' })).body).toBe('o')
    expect((await via({ 'fly-force-region': 'gru' })).status).toBe(502)
  })

  it('1.6: fly-prefer-instance-id: soft, miss header', async () => {
    const { via, machines } = await three()
    expect((await via({ 'fly-prefer-instance-id': 'a' })).body).toBe('a')
    expect(machines[1]?.seen[0]?.headers).not.toHaveProperty('fly-preferred-instance-unavailable')
    expect((await via({ 'fly-prefer-instance-id': 'gone' })).body).toBe('n')
    expect(machines[0]?.seen[0]?.headers['fly-preferred-instance-unavailable']).toBe('gone')
  })

  it('1.6: fly-prefer-instance-id of a machine that refuses is a miss too', async () => {
    const { via, machines } = await three()
    await machines[1]?.stop()
    expect((await via({ 'fly-prefer-instance-id': 'a' })).body).toBe('n')
    expect(machines[0]?.seen[0]?.headers['fly-preferred-instance-unavailable']).toBe('a')
  })

  it('1.6: fly-force-instance-id: hard, retried, no fallback', async () => {
    const { via } = await three()
    expect((await via({ 'fly-force-instance-id': 'o', 'fly-force-region': 'ams' })).body).toBe('o')
    const reply = await via({ 'fly-force-instance-id': 'gone' })
    expect(reply.status).toBe(502)
    expect(reply.ms).toBeGreaterThanOrEqual(145)
  })

  it('1.6: a request steered by them has no buffer limit', async () => {
    const machine = await startMachine('a@ams', (seen, response) => response.end(String(seen.body.length)))
    const { proxy } = await startProxy([await startMachine('n@nrt'), machine], { bufferLimit: 10 })
    const body = Buffer.alloc(100_000)
    expect(
      (await ask(proxy.edge('nrt').url, { method: 'POST', headers: { 'fly-force-region': 'ams' }, body })).body,
    ).toBe('100000')
  })

  it('a machine that refuses is passed over for the next nearest', async () => {
    const { via, machines } = await three()
    await machines[0]?.stop()
    expect((await via({})).body).toBe('o')
  })

  it('the app is the one whose name the Host starts with, else the first', async () => {
    const world = await startProxy([await startMachine('front/f@nrt'), await startMachine('back/b@nrt')])
    const { url } = world.proxy.edge('nrt')
    expect((await ask(url)).body).toBe('f')
    expect((await ask(url, { headers: { host: 'back.fly.dev' } })).body).toBe('b')
  })
})
