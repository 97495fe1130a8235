import { runInScope } from '@headwater/core'
import { requestScope, World } from '@headwater/test-world'
import type pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { RoutedPool } from '../src/index.ts'

let world: World
beforeAll(async () => {
  world = await World.start()
  await world.admin.query(`
    create table item (n int primary key);
    create table part (n int references item deferrable initially deferred);
    create procedure commit_inside(n int) language plpgsql as 'begin insert into item values (n); commit; end';
    create role app login;
    grant all on item, part to app`)
})
afterAll(() => world[Symbol.asyncDispose]())
beforeEach(() => world.admin.query('truncate item, part'))

// One server alone has no monitor, which would be refused too.
const open = (): RoutedPool => {
  const connectionString = world.cluster.primary.url.replace('postgres@', 'app@')
  return world.pool('ams', { primary: { region: 'ams', connectionString }, replicas: [] })
}

/** A request that writes in a transaction, up to its token. Gives what the app saw of it, and whether its token knows where. */
async function write(pool: RoutedPool, ...texts: string[]) {
  const scope = requestScope(pool, { isTracked: true, isWanted: true })
  const client = await pool.connect()
  const outcome = await runInScope(scope, async () => {
    await client.query('begin')
    for (const text of texts) await client.query(text).catch(() => undefined)
    return client.query('commit').then(
      ({ command }: pg.QueryResult) => command,
      (error: pg.DatabaseError) => error.code,
    )
  })
  expect(client.getTransactionStatus?.() ?? 'I').toBe('I')
  client.release()
  const seen = await scope.session.capturePosition()
  return { outcome, isKnown: seen !== undefined && seen.lsn < 2n ** 63n }
}

const INSERT = 'insert into item values (1)'

const items = async () => (await world.admin.query('select n from item order by n')).rows.map(({ n }) => n)

/** How often sessions of this app were told that they may not ask. */
const refusals = async () =>
  (await world.cluster.primary.log()).split('\n').filter((line) => /ERROR: .*(pg_current_wal|pg_control)/.test(line))
    .length

describe('X6, F2: a COMMIT whose position cannot be read', () => {
  afterEach(async () => {
    await world.admin.query('grant execute on function pg_current_wal_flush_lsn(), pg_control_system() to public')
  })

  it('gives its position where the user may ask for it', async () => {
    expect(await write(open(), 'insert into item values (1)')).toEqual({ outcome: 'COMMIT', isKnown: true })
  })

  it.each(['pg_current_wal_flush_lsn()', 'pg_control_system()'])(
    'without the right to %s: commits, keeps reads at the primary, and is not asked again',
    async (name) => {
      await world.admin.query(`revoke execute on function ${name} from public`)
      const before = await refusals()
      const pool = open()
      for (let n = 1; n <= 4; n += 1)
        expect(await write(pool, `insert into item values (${n})`)).toEqual({ outcome: 'COMMIT', isKnown: false })
      expect(await items()).toEqual([1, 2, 3, 4])
      expect(await refusals()).toBe(before + 1)
      // Neither that COMMIT nor the question has cost a connection.
      expect(pool.totalCount).toBe(1)
      expect(pool.idleCount).toBe(1)
    },
  )

  it.each([
    ['END', ['begin', INSERT, 'end']],
    ['COMMIT WORK, with a comment', ['begin', INSERT, '/* done */ commit work -- really']],
    ['COMMIT AND NO CHAIN', ['begin', INSERT, 'commit and no chain']],
    [
      'COMMIT AND CHAIN, and its own COMMIT',
      ['begin', INSERT, 'commit and chain', 'insert into item values (2)', 'commit'],
    ],
    ['COMMIT among other statements of its text', ['begin', INSERT, 'commit; select 1']],
    ['a whole transaction in one text', [`begin; ${INSERT}; commit`]],
    ['a text that begins in one statement and commits in the next', [`begin; ${INSERT}`, 'commit']],
    ['an implicit transaction of one text', [`${INSERT}; insert into item values (2)`]],
    ['COMMIT PREPARED', ['begin', INSERT, "prepare transaction 'two'", "commit prepared 'two'"]],
    ['a write alone', [INSERT]],
    ['a write with values', ['insert into item values ($1)']],
    ['a procedure that commits', ['call commit_inside(1)']],
    ['COMMIT of a named statement', ['begin', INSERT, { name: 'end-it', text: 'commit' }]],
  ] as const)('%s: is answered, writes, keeps reads at the primary, and asks once', async (_name, texts) => {
    await world.admin.query('revoke execute on function pg_current_wal_flush_lsn() from public')
    const before = await refusals()
    const pool = open()
    for (let turn = 0; turn < 3; turn += 1) {
      await world.admin.query('truncate item, part')
      const scope = requestScope(pool, { isTracked: true, isWanted: true })
      const client = await pool.connect()
      await runInScope(scope, async () => {
        for (const text of texts) {
          const hasValues = typeof text === 'string' && text.includes('$1')
          await (hasValues ? client.query(text, [1]) : client.query(text))
        }
      })
      expect(client.getTransactionStatus?.() ?? 'I').toBe('I')
      client.release()
      expect((await items())[0]).toBe(1)
      const seen = await scope.session.capturePosition()
      expect(seen === undefined || seen.lsn >= 2n ** 63n).toBe(true)
    }
    expect(await refusals()).toBe(before + 1)
    expect(pool.idleCount).toBe(pool.totalCount)
  })

  it('does the same on a server without the function', async () => {
    const rename = (from: string, to: string) =>
      world.admin.query(`set allow_system_table_mods = on; alter function pg_catalog.${from}() rename to ${to}`)
    await rename('pg_current_wal_flush_lsn', 'elsewhere')
    try {
      const pool = open()
      for (let n = 1; n <= 3; n += 1)
        expect(await write(pool, `insert into item values (${n})`)).toEqual({ outcome: 'COMMIT', isKnown: false })
      expect(await items()).toEqual([1, 2, 3])
    } finally {
      await rename('elsewhere', 'pg_current_wal_flush_lsn')
    }
  })

  it('when its connection is lost after it: it has committed, and the lease is lost', async () => {
    // It ends its own session when it is asked: behind the COMMIT, in the same round trip.
    const create = (body: string) =>
      world.admin.query(`set allow_system_table_mods = on;
        alter function pg_catalog.pg_current_wal_flush_lsn() rename to elsewhere;
        create function pg_catalog.pg_current_wal_flush_lsn() returns pg_lsn language plpgsql as $$${body}$$`)
    await create('begin perform pg_terminate_backend(pg_backend_pid(), 1000); return null; end')
    try {
      const pool = open()
      expect(await write(pool, 'insert into item values (1)')).toEqual({ outcome: 'COMMIT', isKnown: false })
      expect(await items()).toEqual([1])
      await expect.poll(() => pool.totalCount).toBe(0)
    } finally {
      await world.admin.query(`set allow_system_table_mods = on;
        drop function pg_catalog.pg_current_wal_flush_lsn();
        alter function pg_catalog.elsewhere() rename to pg_current_wal_flush_lsn`)
    }
  })

  it('a COMMIT that failed keeps its own error', async () => {
    await world.admin.query('revoke execute on function pg_current_wal_flush_lsn() from public')
    for (const pool of [open(), open()]) {
      expect(await write(pool, 'insert into part values (7)')).toMatchObject({ outcome: '23503' })
      expect(await write(pool, 'insert into item values (1)', 'select 1 / 0')).toMatchObject({ outcome: 'ROLLBACK' })
      expect(await items()).toEqual([])
    }
  })
})
