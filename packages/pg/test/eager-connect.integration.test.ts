import { setTimeout as sleep } from 'node:timers/promises'
import { withPrimary, withReplica } from '@headwater/core'
import { errorOf, inRequest, type Region, WHO, World } from '@headwater/test-world'
import type pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RoutedPoolOptions } from '../src/index.ts'

let world: World
beforeAll(async () => {
  world = await World.start()
})
afterAll(() => world[Symbol.asyncDispose]())

const eager = (region: Region, options: RoutedPoolOptions = {}) => world.pool(region, { connect: 'eager', ...options })

/** Which server a client leads to before its first statement. */
async function leadsTo(pool: pg.Pool): Promise<string> {
  const client = await pool.connect()
  expect(Reflect.get(client, 'processID')).toBeTypeOf('number')
  const ports = { primary: world.cluster.primary.url, nrt: world.replica().url }
  const found = Object.entries(ports).find(([, url]) => new URL(url).port === String(client.port))
  client.release()
  return found?.[0] ?? 'nowhere'
}

describe('R10: connect: "eager"', () => {
  it('opens at the primary at home, and next door away', async () => {
    expect(await leadsTo(eager('ams'))).toBe('primary')
    expect(await leadsTo(eager('nrt'))).toBe('nrt')
  })

  it('obeys withPrimary(), withReplica() and opt-in routing', async () => {
    expect(await withPrimary(() => leadsTo(eager('nrt')))).toBe('primary')
    expect(await withReplica(() => leadsTo(eager('ams')))).toBe('nrt')
    expect(await leadsTo(eager('nrt', { routing: 'opt-in' }))).toBe('primary')
  })

  it('away without a replica opens at the primary', async () => {
    expect(await leadsTo(eager('nrt', { replicas: [] }))).toBe('primary')
    expect(await leadsTo(eager('nrt', { replicas: [{ region: 'nrt', host: '127.0.0.1', port: 1 }] }))).toBe('primary')
  })

  it('does not decide where statements go: each is routed as without it', async () => {
    for (const region of ['ams', 'nrt'] as const) {
      const pool = eager(region, { max: 1 })
      const client = await pool.connect()
      expect((await client.query(WHO)).rows).toEqual([{ who: 'nrt' }])
      await client.query('begin')
      expect((await client.query("insert into note (body) values ('eager') returning 1 as n")).rows).toEqual([{ n: 1 }])
      await client.query('rollback')
      client.release()
      await expect.poll(() => pool.idleCount).toBe(pool.totalCount)
    }
  })

  it('what it opened is used: a transaction at home costs one connection', async () => {
    const pool = eager('ams')
    const client = await pool.connect()
    const before: unknown = Reflect.get(client, 'processID')
    await client.query('begin')
    const { rows } = await client.query('select pg_backend_pid() as pid')
    await client.query('commit')
    client.release()
    expect([rows[0].pid, pool.totalCount]).toEqual([before, 1])
  })

  it('a loop that waits for the database ends when there is one, and not before', async () => {
    await using other = await World.start({ replicas: [] })
    const pool = other.pool('ams', { replicas: [], connect: 'eager' })
    await other.admin.end()
    await other.cluster.primary.stop('immediate')
    const codes: unknown[] = []
    let isStarted = false
    const starting = sleep(300).then(async () => {
      isStarted = true
      await other.cluster.primary.start()
    })
    for (;;) {
      try {
        const client = await pool.connect()
        expect(isStarted).toBe(true)
        expect((await client.query('select 1 as n')).rows).toEqual([{ n: 1 }])
        client.release()
        break
      } catch (error) {
        codes.push((error as { code?: unknown }).code)
        await sleep(50)
      }
    }
    await starting
    expect(codes[0]).toBe('ECONNREFUSED')
    expect(codes.every((code) => code === 'ECONNREFUSED' || code === '57P03')).toBe(true)
  })

  it('in a request a primary that is out of service is a 503, as for a statement', async () => {
    const nowhere = { region: 'ams', host: '127.0.0.1', port: 1 }
    const pool = eager('ams', { primary: nowhere, replicas: [] })
    expect(await inRequest(pool, () => errorOf(pool.connect()))).toMatchObject({
      code: 'HEADWATER_PRIMARY_UNAVAILABLE',
    })
    expect(await errorOf(pool.connect())).toMatchObject({ code: 'ECONNREFUSED' })
  })

  it('X5: end() waits for a connect() that waits, which is served', async () => {
    const pool = eager('ams', { max: 1, connectionTimeoutMillis: 0 })
    const holder = await pool.connect()
    const waiting = pool.connect()
    const ended = pool.end()
    await expect(pool.connect()).rejects.toThrow('after calling end')
    holder.release()
    const client = await waiting
    expect((await client.query('select 1 as n')).rows).toEqual([{ n: 1 }])
    client.release()
    await ended
    expect(pool.totalCount).toBe(0)
  })
})
