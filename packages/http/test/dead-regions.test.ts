import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { currentScope } from '@headwater/core'
import { createTopology } from '@headwater/core/internal'
import { forward } from '@headwater/http'
import { describe, expect, test } from 'vitest'
import { HttpLifecycle } from '../src/life/lifecycle.ts'
import { openNodeRequestLife } from '../src/life/node-request-life.ts'
import { DeadRegions } from '../src/replay/dead-regions.ts'

const post = (url: string) => ({ method: 'POST', url })

describe('P8: a region in which nobody could be reached', () => {
  test('P8: is left alone for two seconds once a replay to it has come back', () => {
    const regions = new DeadRegions()
    regions.asked(post('/a'), 'ams', 0)
    expect(regions.isDead('ams', 9_999)).toBe(false)
    regions.cameBack(post('/a'), 10_000, 10_000)
    expect([regions.isDead('ams', 10_000), regions.isDead('ams', 11_999)]).toEqual([true, true])
    expect([regions.isDead('fra', 10_000), regions.isDead(undefined, 10_000)]).toEqual([false, false])
    expect(regions.isDead('ams', 12_000)).toBe(false)
  })

  test('P7: a request that this instance has not had replayed says nothing, and one says it once', () => {
    const regions = new DeadRegions()
    regions.cameBack(post('/a'), 0, 0)
    regions.asked(post('/b'), 'ams', 0)
    regions.cameBack(post('/a'), 10, 10)
    expect(regions.isDead('ams', 10)).toBe(false)
    regions.cameBack(post('/b'), 10, 10)
    regions.cameBack(post('/b'), 1_000, 3_000)
    expect(regions.isDead('ams', 3_000)).toBe(false)
  })

  test('P7: one client that says so does not speak for a region that took the others’ replays', () => {
    const regions = new DeadRegions()
    regions.asked(post('/others'), 'ams', 0)
    regions.asked(post('/forger'), 'ams', 1_000)
    regions.cameBack(post('/forger'), 10, 1_010)
    expect(regions.isDead('ams', 1_010)).toBe(false)
    // The same address as the others'.
    regions.asked(post('/others'), 'ams', 1_100)
    regions.cameBack(post('/others'), 10, 1_110)
    expect(regions.isDead('ams', 1_110)).toBe(false)
  })

  test('P8: many that wait together make it known with the first of them', () => {
    const regions = new DeadRegions()
    for (let n = 0; n < 10; n += 1) regions.asked(post('/same'), 'ams', n * 100)
    regions.cameBack(post('/same'), 10_000, 10_000)
    expect(regions.isDead('ams', 10_000)).toBe(true)
  })

  test('P8: a try of this instance that did not connect needs no witness, and one that did ends it', () => {
    const regions = new DeadRegions()
    regions.asked(post('/others'), 'ams', 0)
    regions.tried('ams', false, 0, 10)
    expect([regions.isDead('ams', 10), regions.isDead('ams', 2_009), regions.isDead('ams', 2_010)]).toEqual([
      true,
      true,
      false,
    ])
    regions.tried('ams', false, 3_000, 3_010)
    regions.tried('ams', true, 3_000, 3_020)
    expect(regions.isDead('ams', 3_020)).toBe(false)
  })

  test('P8: a try that waited in vain for a place among those that got through says nothing', () => {
    const regions = new DeadRegions()
    regions.tried('ams', true, 0, 3_000)
    regions.tried('ams', false, 1_000, 6_000)
    expect(regions.isDead('ams', 6_000)).toBe(false)
    regions.tried('ams', false, 3_001, 8_001)
    expect(regions.isDead('ams', 8_001)).toBe(true)
  })

  test('keeps no more than a thousand, and none for longer than a minute', () => {
    const regions = new DeadRegions()
    for (let n = 0; n < 3_000; n += 1) regions.asked(post(`/${n}`), 'ams', n)
    regions.cameBack(post('/1999'), 1_000, 3_000)
    expect(regions.isDead('ams', 3_000)).toBe(false)
    regions.asked(post('/late'), 'ams', 70_000)
    regions.cameBack(post('/2999'), 1_000, 70_000)
    expect(regions.isDead('ams', 70_000)).toBe(false)
  })
})

test('P8: while it is dead a write is refused at once with 503, before it is tried there again', () => {
  let now = 0
  const clocks = { wallMillis: () => 1_790_000_000_000 + now, monotonicMillis: () => now }
  const topology = createTopology({ region: 'nrt', primaryRegion: 'ams', hasReplica: true })
  const lifecycle = new HttpLifecycle({ pool: { topology }, secret: 'long enough to be a secret' }, clocks)
  const open = (headers: Record<string, string> = {}) => {
    const all: Record<string, string> = { 'fly-request-id': '1', ...headers }
    const life = lifecycle.open({ method: 'POST', url: '/a', header: (name) => all[name], isSecure: false })
    if (life === undefined) throw new Error('no life was opened')
    return life
  }
  expect(open().head.decide()).toMatchObject({ headers: { 'fly-replay': expect.stringMatching(/^region=ams;/) } })
  now = 10_000
  open({ 'fly-replay-failed': 'reason=timeout;elapsed_ms=10000' })
  const refused = open()
  expect(refused.isSpent).toBe(false)
  expect(refused.scope.askForReplay(topology, 'write')).toMatchObject({ blocker: 'replay-failed', status: 503 })
  now = 12_000
  expect(open().isSpent).toBe(true)
})

test('P8: forward() costs no second write a try to connect while the region is dead, and finds it again after two seconds', async () => {
  let now = 0
  let tries = 0
  await using servers = new AsyncDisposableStack()
  const listen = async (server: Server, port = 0): Promise<number> => {
    servers.defer(() => server.closeAllConnections())
    servers.defer(() => void server.close())
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    return (server.address() as AddressInfo).port
  }
  const gone = createServer()
  const farPort = await listen(gone)
  gone.close()
  await once(gone, 'close')
  const regions = () => {
    tries += 1
    return `http://127.0.0.1:${farPort}`
  }
  const topology = createTopology({ region: 'nrt', primaryRegion: 'ams', hasReplica: true })
  const options = { pool: { topology }, secret: 'long enough to be a secret', replayTarget: forward({ regions }) }
  const clocks = { wallMillis: () => 1_790_000_000_000 + now, monotonicMillis: () => now }
  const lifecycle = new HttpLifecycle(options, clocks)
  const near = createServer((request, response) => {
    const life = openNodeRequestLife(lifecycle, request, response, request.url ?? '/')
    life
      ?.run(async () => {
        if (request.method === 'GET') return void response.end('read here')
        throw currentScope()?.askForReplay(topology, 'write')
      })
      .catch((error) => response.writeHead(error.status ?? 500).end())
  })
  const url = `http://127.0.0.1:${await listen(near)}/`
  const write = async () => (await fetch(url, { method: 'POST', body: 'a' })).status
  expect([await write(), await write(), await write(), tries]).toEqual([503, 503, 503, 1])
  expect(await (await fetch(url)).text()).toBe('read here')
  await listen(
    createServer((_, response) => void response.end('written')),
    farPort,
  )
  now = 1_999
  expect([await write(), tries]).toEqual([503, 1])
  now = 2_000
  expect([await write(), await write(), tries]).toEqual([200, 200, 3])
})
