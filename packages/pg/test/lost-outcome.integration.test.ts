import { type CutAtText, openWire, type Wire } from '@headwater/cluster'
import { ConnectionLost, OutcomeUnknown } from '@headwater/core'
import { errorOf, FrontendTap, World } from '@headwater/test-world'
import type pg from 'pg'
import Cursor from 'pg-cursor'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { RoutedPool, type RoutedPoolOptions } from '../src/index.ts'

const TIMES = 40

let world: World
let wire: Wire
beforeAll(async () => {
  world = await World.start({ replicas: [], schema: 'create table item (n int); create table other (n int)' })
})
afterAll(() => world?.[Symbol.asyncDispose]())
beforeEach(async () => {
  await world.admin.query('truncate item, other')
  wire = await openWire(world.cluster.primary)
})
afterEach(() => wire?.[Symbol.asyncDispose]())

function open(options: RoutedPoolOptions = {}): RoutedPool {
  const url = new URL(world.cluster.primary.url)
  url.port = String(wire.port)
  return world.ending(
    new RoutedPool({ primary: { connectionString: url.href }, replicas: [], logger: false, ...options }),
  )
}

const items = async (): Promise<number[]> =>
  (await world.admin.query('select n from item order by n')).rows.map(({ n }) => n)

/** A transaction as apps write it: the error of ROLLBACK takes the place of that of COMMIT where it is not swallowed. */
async function transact(pool: pg.Pool, ...texts: readonly string[]): Promise<void> {
  const client = await pool.connect()
  try {
    await client.query('begin')
    for (const text of texts) await client.query(text)
    await client.query('commit')
  } catch (error) {
    await client.query('rollback')
    throw error
  } finally {
    client.release()
  }
}

async function unknownOf(promise: Promise<unknown>): Promise<OutcomeUnknown> {
  const error = await errorOf(promise)
  if (!(error instanceof OutcomeUnknown)) throw new Error('expected an OutcomeUnknown', { cause: error })
  return error
}

/** Not `synchronous_commit`, which the pool asks for. */
const COMMIT = /(?<!_)commit/i
const cutAt = (side: CutAtText['side'], how: CutAtText['how'] = 'reset', at = COMMIT): CutAtText => ({ at, side, how })

/** What became of it, once the server has noticed the loss. */
async function settled(error: OutcomeUnknown): Promise<string> {
  let outcome = await error.resolve()
  for (let asked = 0; outcome === 'in progress' && asked < 100; asked += 1) {
    await new Promise((resolve) => setTimeout(resolve, 50))
    outcome = await error.resolve()
  }
  return outcome
}

describe('X6: a COMMIT whose answer was lost', () => {
  it.each([
    ['behind the server', 'behind', 'committed'],
    ['before the server', 'before', 'aborted'],
  ] as const)(
    `cut %s, ${TIMES} times: is unknown, and resolve() says what became of it`,
    async (_where, side, became) => {
      const pool = open({ trackCommits: true })
      const outcomes: string[] = []
      for (let n = 0; n < TIMES; n += 1) {
        const how = n % 2 === 0 ? 'reset' : 'end'
        const reads = n % 4 < 2 ? [] : ['select n from other']
        wire.cut(cutAt(side, how))
        const error = await unknownOf(transact(pool, ...reads, `insert into item values (${n})`))
        await wire.heal()
        expect(error).toMatchObject({ code: 'HEADWATER_OUTCOME_UNKNOWN', status: 500, retryable: false })
        expect(error.headers).not.toHaveProperty('retry-after')
        expect(error.message).toMatch(/terminated|ECONNRESET/)
        expect(error.cause).toBeInstanceOf(Error)
        outcomes.push(await settled(error))
      }
      expect(wire.cuts).toBe(TIMES)
      expect(new Set(outcomes)).toEqual(new Set([became]))
      expect(await items()).toHaveLength(became === 'committed' ? TIMES : 0)
    },
    120_000,
  )

  it('because pg waits no longer: is unknown, and the lease is lost with it', async () => {
    const pool = open({ trackCommits: true, query_timeout: 300 })
    wire.cut(cutAt('behind', 'silence'))
    const client = await pool.connect()
    await client.query('begin')
    await client.query('insert into item values (1)')
    const error = await unknownOf(client.query('commit'))
    expect(error.cause).toMatchObject({ message: 'Query read timeout' })
    expect(await errorOf(client.query('rollback'))).toBe(error)
    client.release()
    await wire.heal()
    expect(await settled(error)).toBe('committed')
    await expect.poll(() => pool.totalCount).toBe(pool.idleCount)
  })

  it('because the app closed its client: is unknown too', async () => {
    const pool = open({ trackCommits: true })
    wire.cut(cutAt('behind', 'silence'))
    const client = await pool.connect()
    await client.query('begin')
    await client.query('insert into item values (1)')
    const commit = unknownOf(client.query('commit'))
    await expect.poll(items).toEqual([1])
    client.release(true)
    await wire.heal()
    expect(await settled(await commit)).toBe('committed')
  })

  it('is unknown for good without trackCommits, and behind a crash or restart of the server', async () => {
    wire.cut(cutAt('behind'))
    const untracked = await unknownOf(transact(open(), 'insert into item values (1)'))
    expect(await untracked.resolve()).toBe('unknown')
    await using other = await World.start({ replicas: [], schema: 'create table item (n int)' })
    await using otherWire = await openWire(other.cluster.primary)
    const url = new URL(other.cluster.primary.url)
    url.port = String(otherWire.port)
    const pool = other.ending(
      new RoutedPool({ primary: { connectionString: url.href }, replicas: [], trackCommits: true, logger: false }),
    )
    otherWire.cut(cutAt('behind'))
    const tracked = await unknownOf(transact(pool, 'insert into item values (1)'))
    await otherWire.heal()
    expect(await tracked.resolve()).toBe('committed')
    // One process that is killed takes all others with it, but not the postmaster, nor its start.
    otherWire.cut(cutAt('behind'))
    const beforeCrash = await unknownOf(transact(pool, 'insert into item values (2)'))
    await otherWire.heal()
    const { rows } = await pool.query<{ pid: number }>('select pg_backend_pid() as pid')
    process.kill(rows[0]?.pid ?? Number.NaN, 'SIGKILL')
    await expect
      .poll(() => beforeCrash.resolve().catch(() => 'no answer'), { timeout: 10_000, interval: 100 })
      .toBe('unknown')
    await other.admin.end()
    await other.cluster.primary.stop('immediate')
    await other.cluster.primary.start()
    // Its number may be another transaction's by now.
    expect(await tracked.resolve()).toBe('unknown')
  }, 60_000)

  it('behind a promotion: the new primary is asked, and says `aborted` of what it has not', async () => {
    await using other = await World.start({ schema: 'create table item (n int)' })
    await using otherWire = await openWire(other.cluster.primary)
    const url = new URL(other.cluster.primary.url)
    url.port = String(otherWire.port)
    const replicas = [{ connectionString: other.replica().url }]
    const primary = { connectionString: url.href }
    const pool = other.ending(
      new RoutedPool({ primary, replicas, trackCommits: true, promotionWaitMillis: 20_000, logger: false }),
    )
    const outcomes: OutcomeUnknown[] = []
    for (const side of ['behind', 'before'] as const) {
      otherWire.cut(cutAt(side))
      outcomes.push(await unknownOf(transact(pool, `insert into item values (1)`)))
      await otherWire.heal()
    }
    await other.cluster.waitUntilCaughtUp()
    await other.cluster.primary.kill()
    await other.replica().promote()
    // The one was committed, and is there; its number might be another transaction's.
    expect(await Promise.all(outcomes.map((error) => error.resolve()))).toEqual(['unknown', 'aborted'])
    expect(await other.replica().query('select n from item')).toHaveLength(1)
  }, 60_000)

  it('X6: what is lost after COMMIT AND CHAIN may not be tried again: something was committed', async () => {
    const client = await open().connect()
    await client.query('begin')
    await client.query('insert into item values (1)')
    await client.query('commit and chain')
    const blocked = errorOf(client.query('select pg_sleep(30)'))
    const end = "select pg_terminate_backend(pid) from pg_stat_activity where query = 'select pg_sleep(30)'"
    await expect.poll(async () => (await world.admin.query(end)).rowCount, { interval: 20 }).toBe(1)
    expect(await blocked).toMatchObject({ code: 'HEADWATER_CONNECTION_LOST', retryable: false })
    client.release()
    expect(await items()).toEqual([1])
  })

  it('with AND CHAIN, or at the end of a text: is unknown', async () => {
    const pool = open()
    for (const text of ['commit and chain', 'insert into item values (2); commit']) {
      wire.cut(cutAt('behind'))
      const client = await pool.connect()
      await client.query('begin')
      await client.query('insert into item values (1)')
      await unknownOf(client.query(text))
      client.release()
    }
    expect(await items()).toEqual([1, 1, 2])
  })

  it('of a transaction that only read: is a loss that can be retried', async () => {
    wire.cut(cutAt('behind'))
    expect(await errorOf(transact(open({ trackCommits: true }), 'select n from item'))).toMatchObject({
      code: 'HEADWATER_CONNECTION_LOST',
      retryable: true,
    })
  })

  it('the second transaction of a lease has its own number', async () => {
    const pool = open({ trackCommits: true })
    const client = await pool.connect()
    for (const n of [1, 2, 3]) {
      await client.query('begin')
      await client.query(`insert into item values (${n})`)
      if (n === 2) await client.query('rollback')
      else if (n === 1) await client.query('commit')
    }
    wire.cut(cutAt('before'))
    const error = await unknownOf(client.query('commit'))
    client.release()
    await wire.heal()
    expect(await settled(error)).toBe('aborted')
    expect(await items()).toEqual([1])
  })
})

describe('X6: a single write whose answer was lost', () => {
  it.each([
    ['insert into item values (1)', []],
    ['insert into item values ($1)', [1]],
    ['with x as (insert into item values (1) returning n) select n from x', []],
  ])('is unknown: %s', async (text, values) => {
    const pool = open()
    wire.cut(cutAt('behind', 'reset', /insert/))
    const error = await unknownOf(pool.query(text, values))
    expect(await error.resolve()).toBe('unknown')
    const client = await pool.connect()
    await unknownOf(client.query(text, values))
    client.release()
    await wire.heal()
    expect(await items()).toEqual([1, 1])
  })

  it('is unknown when it was prepared under a name, and a SET is just lost', async () => {
    const client = await open().connect()
    await client.query('prepare mine as insert into item values (1)')
    wire.cut(cutAt('behind', 'reset', /execute/))
    await unknownOf(client.query('execute mine'))
    client.release()
    expect(await items()).toEqual([1])
    wire.cut(cutAt('behind', 'reset', /set work_mem/))
    const error = await errorOf(open().query("set work_mem = '8MB'"))
    expect(error).toMatchObject({ code: 'HEADWATER_CONNECTION_LOST', retryable: true })
  })

  it('with pg’s own time-out: is unknown', async () => {
    wire.cut(cutAt('behind', 'silence', /insert/))
    const pool = open({ query_timeout: 200 })
    expect((await unknownOf(pool.query('insert into item values (1)'))).message).toContain('Query read timeout')
    expect(await items()).toEqual([1])
  })
})

describe('X6: every other loss', () => {
  it('of a transaction before its COMMIT is a ConnectionLost that can be retried', async () => {
    const pool = open({ trackCommits: true })
    wire.cut(cutAt('behind', 'reset', /values \(2\)/))
    const error = await errorOf(transact(pool, 'insert into item values (1)', 'insert into item values (2)'))
    expect(error).toBeInstanceOf(ConnectionLost)
    expect(error).toMatchObject({ retryable: true, status: 503, headers: { 'retry-after': '1' } })
    expect(error).toHaveProperty('message', expect.stringMatching(/terminated|ECONNRESET/))
    expect(await items()).toEqual([])
  })

  it('of the question for the number, right before COMMIT, too: COMMIT was not sent', async () => {
    const pool = open({ trackCommits: true })
    wire.cut(cutAt('behind', 'end', /pg_current_xact_id_if_assigned/))
    const error = await errorOf(transact(pool, 'select n from item', 'insert into item values (1)'))
    expect(error).toMatchObject({ code: 'HEADWATER_CONNECTION_LOST', retryable: true })
    expect(wire.cuts).toBe(1)
    expect(await items()).toEqual([])
  })

  it('of BEGIN, too: nothing of the write was sent', async () => {
    wire.cut(cutAt('behind', 'reset', /begin/))
    const error = await errorOf(transact(open(), 'insert into item values (1)'))
    expect(error).toMatchObject({ code: 'HEADWATER_CONNECTION_LOST', retryable: true })
  })

  it('of a lone read, too', async () => {
    wire.cut(cutAt('behind', 'end', /from item/))
    expect(await errorOf(open().query('select n from item'))).toMatchObject({
      code: 'HEADWATER_CONNECTION_LOST',
      retryable: true,
      status: 503,
    })
  })

  it('of a client that has committed something cannot be retried as a whole', async () => {
    const pool = open()
    const client = await pool.connect()
    await client.query('insert into item values (1)')
    await client.query('begin')
    wire.cut(cutAt('behind', 'reset', /values \(2\)/))
    const error = await errorOf(client.query('insert into item values (2)'))
    expect(error).toMatchObject({ code: 'HEADWATER_CONNECTION_LOST', retryable: false, status: 500 })
    client.release()
    expect(await items()).toEqual([1])
  })
})

/** Ends the session that runs `slow`, as an administrator does, once it runs it; a BEGIN may stand before it. */
async function terminateRunning(slow: string): Promise<void> {
  const end = 'select pg_terminate_backend(pid) from pg_stat_activity where right(query, length($1)) = $1'
  await expect.poll(async () => (await world.admin.query(end, [slow])).rowCount, { timeout: 10_000 }).toBe(1)
}

const rolledBack = (isRetryable: boolean) => ({
  code: 'HEADWATER_CONNECTION_LOST',
  retryable: isRetryable,
  status: isRetryable ? 503 : 500,
  cause: { code: '57P01', severity: 'FATAL' },
})

describe('X6: a loss that the server announces itself (57P01): it has rolled back', () => {
  const slow = 'insert into item select 2 from pg_sleep(20)'

  it.each([
    ['a single write', slow],
    ['a single read', 'select pg_sleep(20)'],
    ['a text of two', `${slow}; select 1`],
  ])('%s can be tried again', async (_what, text) => {
    const running = errorOf(open().query(text))
    await terminateRunning(text)
    const error = await running
    expect(error).toBeInstanceOf(ConnectionLost)
    expect(error).toMatchObject(rolledBack(true))
    expect(error).toHaveProperty('message', expect.stringContaining('due to administrator command'))
    expect(await items()).toEqual([])
  })

  it('a statement of a transaction can be tried again with it', async () => {
    const running = errorOf(transact(open(), 'insert into item values (1)', slow))
    await terminateRunning(slow)
    expect(await running).toMatchObject(rolledBack(true))
    expect(await items()).toEqual([])
  })

  it('a transaction that was idle can be, too', async () => {
    const client = await open().connect()
    const heard = new Promise((resolve) => client.once('error', resolve))
    await client.query('begin')
    await client.query('insert into item values (77)')
    await terminateRunning('insert into item values (77)')
    expect(await heard).toMatchObject({ code: '57P01' })
    expect(await errorOf(client.query('commit'))).toMatchObject(rolledBack(true))
    client.release()
    expect(await items()).toEqual([])
  })

  it('a COMMIT that ran into it is known to be rolled back', async () => {
    await world.admin.query(`
      create function dawdle() returns trigger language plpgsql as 'begin perform pg_sleep(20); return null; end';
      create constraint trigger dawdle after insert on other deferrable initially deferred
        for each row execute function dawdle()`)
    try {
      const running = errorOf(transact(open(), 'insert into other values (1)'))
      await terminateRunning('commit')
      expect(await running).toMatchObject(rolledBack(true))
      expect((await world.admin.query('table other')).rows).toEqual([])
    } finally {
      await world.admin.query('drop function dawdle cascade')
    }
  })

  it('what a client had committed before must not be repeated', async () => {
    const client = await open().connect()
    await client.query('insert into item values (1)')
    await client.query('begin')
    const running = errorOf(client.query(slow))
    await terminateRunning(slow)
    expect(await running).toMatchObject(rolledBack(false))
    client.release()
    expect(await items()).toEqual([1])
  })

  it('a stream too', async () => {
    const client = await open().connect()
    await client.query('begin')
    await client.query('insert into item values (1)')
    const text = 'select pg_sleep(20), 1 as streamed'
    const running = errorOf(client.query(new Cursor(text)).read(1))
    await terminateRunning(text)
    expect(await running).toMatchObject(rolledBack(true))
    client.release()
    expect(await items()).toEqual([])
  })

  it('a fast shutdown ends a transaction so', async () => {
    await using own = await World.start({ replicas: [], schema: 'create table item (n int)' })
    const connectionString = own.cluster.primary.url
    const pool = own.ending(
      new RoutedPool({
        primary: { connectionString },
        replicas: [],
        promotionWaitMillis: 0,
        application_name: 'stopped',
      }),
    )
    const running = errorOf(transact(pool, 'insert into item values (1)', slow))
    const isRunning = "select 1 from pg_stat_activity where application_name = 'stopped' and query = $1"
    await expect.poll(async () => (await own.admin.query(isRunning, [slow])).rowCount, { timeout: 10_000 }).toBe(1)
    await own.cluster.primary.stop('fast')
    expect(await running).toMatchObject(rolledBack(true))
    await own.cluster.primary.start()
    expect(await own.cluster.primary.query('table item')).toEqual([])
  })

  it('a code that the app raises itself stays its own', async () => {
    const raise = "do $$ begin raise exception 'mine' using errcode = '57P01'; end $$"
    expect(await errorOf(open().query(raise))).toMatchObject({ code: '57P01', severity: 'ERROR' })
  })
})

describe('S2: knowing the number of a transaction', () => {
  it('costs no message when it begins with a write, and one when it reads first', async () => {
    await using tap = await FrontendTap.open(world.cluster.primary)
    const pool = world.ending(
      new RoutedPool({ primary: { connectionString: tap.url }, replicas: [], logger: false, trackCommits: true }),
    )
    /** The statements that go to the server, each with its answer. */
    const sentFor = async (...texts: readonly string[]): Promise<number> => {
      tap.take()
      await transact(pool, ...texts)
      return tap.take().split(' ').length
    }
    await sentFor('insert into item values (1)')
    expect(await sentFor('insert into item values (1)')).toBe(3)
    expect(await sentFor('select n from item', 'insert into item values (1)')).toBe(5)
    expect(await sentFor('select n from item')).toBe(3)
  })
})
