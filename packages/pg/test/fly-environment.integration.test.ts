import { Socket } from 'node:net'
import { ReplayToPrimary } from '@headwater/core'
import { inRequest, World, who } from '@headwater/test-world'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { RoutedPool } from '../src/index.ts'

let world: World
beforeAll(async () => {
  world = await World.start()
}, 60_000)
afterAll(() => world[Symbol.asyncDispose]())
afterEach(() => vi.unstubAllEnvs())

/** A socket on a private network like Fly's: it knows these names, and no others. */
function socketOn(network: ReadonlyMap<string, number>): Socket {
  const socket = new Socket()
  const connect = socket.connect.bind(socket)
  const connectByName = (port: number, host: string): Socket => {
    const there = network.get(`${host}:${port}`)
    if (there !== undefined) return connect(there, '127.0.0.1')
    const error = Object.assign(new Error(`getaddrinfo ENOTFOUND ${host}`), { code: 'ENOTFOUND' })
    process.nextTick(() => socket.destroy(error))
    return socket
  }
  return Object.defineProperty(socket, 'connect', { value: connectByName })
}

/** The pool of an app in nrt that is told nothing, beside a Fly Postgres in ams with members in these regions. */
function poolOnFly(members: readonly string[]): RoutedPool {
  vi.stubEnv('FLY_REGION', 'nrt')
  vi.stubEnv('PRIMARY_REGION', 'ams')
  vi.stubEnv('DATABASE_URL', 'postgres://postgres@db.flycast:5432/postgres')
  vi.stubEnv('DATABASE_REPLICA_URL', undefined)
  const network = new Map([['db.flycast:5432', world.cluster.primary.port]])
  for (const region of members) network.set(`${region}.db.internal:5433`, world.replica().port)
  return world.ending(new RoutedPool({ logger: false, functions: { server: 'read' }, stream: () => socketOn(network) }))
}

describe('what Fly leaves in the environment', { timeout: 30_000 }, () => {
  it('R1, P1: alone makes an instance abroad read next door, and replay what writes', async () => {
    const pool = poolOnFly(['nrt'])
    expect(await inRequest(pool, () => who(pool))).toBe('nrt')
    const write = inRequest(pool, () => pool.query("insert into note (body) values ('x')"))
    await expect(write).rejects.toBeInstanceOf(ReplayToPrimary)
    expect(pool.status().servers[1]).toMatchObject({
      host: 'nrt.db.internal',
      port: 5433,
      role: 'replica',
      verdict: 'up',
    })
  })

  it('X2: a region without a member costs no read: it is replayed, and status() says why', async () => {
    const pool = poolOnFly(['syd'])
    await expect(inRequest(pool, () => who(pool))).rejects.toMatchObject({ region: 'ams', reason: 'replica-lost' })
    expect(pool.status()).toMatchObject({
      hasReplica: false,
      servers: [{}, { verdict: 'down', lastError: { code: 'ENOTFOUND' } }],
    })
  })
})
