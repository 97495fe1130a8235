import { ReplayToPrimary, runInScope, SessionUnavailable } from '@headwater/core'
import {
  hasPgBouncer,
  inRequest,
  PgBouncer,
  pgBouncers,
  requestScope,
  untilCatalogIsRead,
  WHO,
  World,
} from '@headwater/test-world'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RoutedPool, RoutedPoolOptions } from '../src/index.ts'

let world: World
beforeAll(async () => {
  world = await World.start({ replicas: ['nrt'] })
})
afterAll(() => world[Symbol.asyncDispose]())

const REFUSED = { code: 'HEADWATER_SESSION_UNAVAILABLE', reason: 'no-transactions', retryable: false }

describe.skipIf(!hasPgBouncer).each(pgBouncers)('behind PgBouncer $version in statement mode', (command) => {
  let pooler: PgBouncer
  beforeAll(async () => {
    await world.change('truncate note')
    pooler = await PgBouncer.start(
      { home: world.cluster.primary, replica: world.replica() },
      { pool_mode: 'statement', default_pool_size: '4' },
      command,
    )
  })
  afterAll(() => pooler[Symbol.asyncDispose]())

  const poolIn = (
    region: 'ams' | 'nrt',
    options: RoutedPoolOptions = {},
    primary: RoutedPoolOptions = {},
  ): RoutedPool =>
    world.pool(region, {
      pooler: 'transaction',
      primary: { region: 'ams', connectionString: pooler.url('home'), ...primary },
      replicas: [{ region, connectionString: pooler.url('replica') }],
      ...options,
    })

  const write = (body: string) => `insert into note (body) values ('${body}')`

  /** Two writes between `begin` and COMMIT: what each statement gave. */
  async function inTransaction(pool: RoutedPool, begin: string, body: string): Promise<unknown[]> {
    const client = await pool.connect()
    const outcomes: unknown[] = []
    for (const text of [begin, write(body), write(body), 'commit']) {
      outcomes.push(
        await client.query(text).then(
          ({ command: done }) => done,
          (error: unknown) => error,
        ),
      )
    }
    client.release()
    return outcomes
  }

  it('X1: a read and what is tried run on the replica, a write at the primary', async () => {
    const home = poolIn('ams')
    const away = poolIn('nrt')
    await untilCatalogIsRead(away)
    for (let n = 0; n < 10; n += 1) {
      expect((await away.query(WHO)).rows).toEqual([{ who: 'nrt' }])
      const tried = await inRequest(away, () => away.query('select who, count_notes() >= 0 as counted from server'))
      expect(tried.rows).toEqual([{ who: 'nrt', counted: true }])
    }
    const seen = await inRequest(home, async () => {
      await home.query(write('alone'))
      return home.query("select who, (select count(*)::int from note where body = 'alone') as notes from server")
    })
    expect(seen.rows).toEqual([{ who: 'primary', notes: 1 }])
    const replay = inRequest(away, () => away.query("select write_note('tried')"))
    await expect(replay).rejects.toBeInstanceOf(ReplayToPrimary)
    expect(await world.notes('tried')).toBe(0)
    expect((await away.query(WHO)).rows).toEqual([{ who: 'nrt' }])
  })

  it.each(['begin', 'begin isolation level serializable'])(
    'B2: without a direct URL a transaction is refused whole, each time, and nothing else is: %s',
    async (begin) => {
      const pool = poolIn('ams')
      for (let n = 0; n < 2; n += 1) {
        const [begun, ...others] = await inTransaction(pool, begin, 'half')
        // It is held back until there is something to do in it.
        expect(begun).toBe('BEGIN')
        for (const error of others) {
          expect(error).toBeInstanceOf(SessionUnavailable)
          expect(error).toMatchObject(REFUSED)
        }
        await pool.query(write(`whole ${begin}`))
      }
      expect(await world.notes('half')).toBe(0)
      expect(await world.notes(`whole ${begin}`)).toBe(2)
    },
  )

  it('B2: with one, the first transaction finds out, and those behind it go there, READ ONLY too', async () => {
    const pool = poolIn('ams', {}, { direct: world.cluster.primary.url })
    const [, ...first] = await inTransaction(pool, 'begin', 'first')
    for (const error of first) expect(error).toMatchObject(REFUSED)
    for (let n = 0; n < 3; n += 1) {
      expect(await inTransaction(pool, 'begin', 'kept')).toEqual(['BEGIN', 'INSERT', 'INSERT', 'COMMIT'])
    }
    expect([await world.notes('first'), await world.notes('kept')]).toEqual([0, 6])
    const reader = poolIn('ams', {}, { direct: world.cluster.primary.url })
    const read = async () => {
      const client = await reader.connect()
      try {
        await client.query('begin read only')
        const rows = [(await client.query(WHO)).rows, (await client.query(WHO)).rows]
        await client.query('commit')
        return rows
      } finally {
        client.release()
      }
    }
    // Each server's pooler finds out by itself.
    await expect(read()).rejects.toMatchObject(REFUSED)
    await expect(read()).rejects.toMatchObject(REFUSED)
    expect(await read()).toEqual([[{ who: 'primary' }], [{ who: 'primary' }]])
    // What needs no transaction stays behind the pooler.
    expect((await reader.query(WHO)).rows).toEqual([{ who: 'nrt' }])
  })

  it('F1, B2: a client sees its own write, and what needs a session goes to the direct URL, or is refused', async () => {
    const [home, away] = [poolIn('ams'), poolIn('nrt')]
    await untilCatalogIsRead(away)
    for (let n = 1; n <= 5; n += 1) {
      const writer = requestScope(home, { isWanted: true })
      await runInScope(writer, () => home.query(write('seen')))
      const minPosition = await writer.session.capturePosition()
      const { rows } = await runInScope(requestScope(away, { minPosition }), () =>
        away.query("select count(*)::int as notes from note where body = 'seen'"),
      )
      expect(rows).toEqual([{ notes: n }])
    }
    await expect(home.query('listen news')).rejects.toMatchObject({ reason: 'no-direct-address' })
    const around = poolIn('ams', {}, { direct: world.cluster.primary.url })
    const client = await around.connect()
    await client.query("set app.tenant = '7'")
    expect((await client.query("select current_setting('app.tenant') as tenant")).rows).toEqual([{ tenant: '7' }])
    client.release(true)
  })

  it('B3: an app with plain pg on the same pooler does not notice', async () => {
    const pool = poolIn('nrt', { writesOutsideRequest: 'direct', max: 3 })
    await untilCatalogIsRead(pool)
    const plain = world.ending(new pg.Pool({ connectionString: pooler.url('home'), max: 4 }))
    plain.on('error', () => undefined)
    const ours = Array.from({ length: 20 }, async (_, n) => {
      await inRequest(pool, () => pool.query(`select write_note('ours') -- ${n}`)).catch(() => undefined)
      await inTransaction(pool, 'begin', 'ours')
      await pool.query({ name: `named-${n % 3}`, text: `select ${n % 3} as n, who from server` })
    })
    const theirs = Array.from({ length: 60 }, async (_, n) => {
      await plain.query('insert into note (body) values ($1)', ['theirs'])
      return (await plain.query(`select ${n} as n, current_setting('default_transaction_read_only') as readonly`)).rows
    })
    const outcomes = await Promise.allSettled(theirs)
    expect(outcomes).toEqual(outcomes.map((_, n) => ({ status: 'fulfilled', value: [{ n, readonly: 'off' }] })))
    await Promise.all(ours)
    expect([await world.notes('ours'), await world.notes('theirs')]).toEqual([0, 60])
  })
})
