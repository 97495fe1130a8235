import { currentScope, ReplayImpossible, ReplayToPrimary, runInScope } from '@headwater/core'
import { errorOf, inJob, inRequest, requestScope, WHO, World } from '@headwater/test-world'
import pg from 'pg'
import Cursor from 'pg-cursor'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RoutedPool } from '../src/index.ts'

let world: World
let pool: RoutedPool
/** Tried on a standby as what nobody can see into, though the catalog would know better. */
const TRIED = { functions: { count_notes: 'unknown', write_note: 'unknown', write_deeply: 'unknown' } } as const

beforeAll(async () => {
  world = await World.start({
    schema: `
      create function write_deeply(text) returns int language plpgsql as 'begin return write_note($1); end';
      create view writing_view as select write_note('through a view') as id`,
  })
  pool = await world.informedPool('nrt', TRIED)
})
afterAll(() => world[Symbol.asyncDispose]())

describe('away from home', () => {
  it('P1: a proven write throws before anything is sent to a database', async () => {
    const fresh = world.pool('nrt')
    for (const text of [
      "insert into note (body) values ('P1')",
      'select * from note for update',
      "select nextval('note_id_seq')",
      'truncate note',
    ]) {
      const error = await errorOf(inRequest(fresh, () => fresh.query(text)))
      expect(error).toBeInstanceOf(ReplayToPrimary)
      expect(error).toMatchObject({ region: 'ams', from: 'nrt' })
    }
    expect(fresh.totalCount).toBe(0)
  })

  it('P2: an unknown statement is tried on the replica, which answers it if it only reads', async () => {
    const { rows } = await inRequest(pool, () => pool.query('select count_notes() as n, who from server'))
    expect(rows).toEqual([{ n: '0', who: 'nrt' }])
  })

  it('P2: its refusal becomes the replay, with the driver’s error as cause, costs no connection, and is remembered', async () => {
    const fresh = await world.informedPool('nrt', TRIED)
    const error = await errorOf(inRequest(fresh, () => fresh.query("select write_deeply('P2')")))
    expect(error).toBeInstanceOf(ReplayToPrimary)
    expect(error).toMatchObject({ reason: 'refused', cause: { code: '25006', severity: 'ERROR' } })
    expect(fresh.idleCount).toBe(1)
    const again = await errorOf(inRequest(fresh, () => fresh.query("select write_deeply('another text')")))
    expect(again).toMatchObject({ reason: 'write' })
    expect(again).not.toHaveProperty('cause')
    expect(await world.notes('P2')).toBe(0)
  })

  it('P2: a view that writes is remembered by its text', async () => {
    const first = await errorOf(inRequest(pool, () => pool.query('select * from writing_view')))
    expect(first).toBeInstanceOf(ReplayToPrimary)
    expect(await world.notes('through a view')).toBe(0)
  })

  it('P2: an object that the replica does not know yet is looked for at the primary', async () => {
    const replica = world.cluster.replicas[0]
    await replica?.pauseReplay()
    await world.admin.query('create table brand_new (id int)')
    try {
      expect(await errorOf(inRequest(pool, () => pool.query('select * from brand_new')))).toMatchObject({
        code: 'HEADWATER_REPLAY_TO_PRIMARY',
        reason: 'newer-than-catalog',
      })
      // Without a catalog the replica is asked, and does not know it.
      const bare = world.pool('nrt', { catalog: false })
      expect(await errorOf(inRequest(bare, () => bare.query('select * from brand_new')))).toMatchObject({
        code: 'HEADWATER_REPLAY_TO_PRIMARY',
        reason: 'unknown-object',
        cause: { code: '42P01' },
      })
      const atHome = world.pool('ams')
      expect((await atHome.query('select * from brand_new')).rows).toEqual([])
    } finally {
      await replica?.resumeReplay()
    }
  })

  it('P2: an object that exists nowhere gives its own error at home', async () => {
    await expect(world.pool('ams').query('select * from nowhere')).rejects.toMatchObject({ code: '42P01' })
  })

  it('P2: a cursor that is refused reports the replay', async () => {
    const error = await inRequest(pool, async () => {
      const client = await pool.connect()
      const cursor = client.query(new Cursor("select write_note('cursor')"))
      const failure = await errorOf(cursor.read(1))
      await cursor.close()
      client.release()
      return failure
    })
    expect(error).toBeInstanceOf(ReplayToPrimary)
    expect(await world.notes('cursor')).toBe(0)
  })

  it('P3: the scope is spent: every later query, connect and callback meets the same error', async () => {
    await inRequest(pool, async () => {
      const first = await errorOf(pool.query("insert into note (body) values ('P3')"))
      const others = [
        await errorOf(pool.query(WHO)),
        await errorOf(pool.connect()),
        await new Promise((resolve) => pool.query(WHO, (error: Error | null) => resolve(error))),
        currentScope()?.replay,
      ]
      for (const other of others) expect(other).toEqual(first)
      // What a library writes into one of them, no other shows.
      expect(new Set([first, ...others]).size).toBe(5)
    })
    expect((await pool.query(WHO)).rows).toEqual([{ who: 'nrt' }])
  })

  it('P3: a leased client in hand is spent too, but may still roll back, which spares its connection', async () => {
    const fresh = world.pool('nrt')
    await inRequest(fresh, async () => {
      const client = await fresh.connect()
      await client.query('begin')
      await client.query(WHO)
      await expect(client.query("insert into note (body) values ('P3')")).rejects.toThrow(ReplayToPrimary)
      await expect(client.query(WHO)).rejects.toThrow(ReplayToPrimary)
      expect((await client.query('rollback')).command).toBe('ROLLBACK')
      client.release()
    })
    expect(fresh.idleCount).toBe(1)
  })

  it.each(['forbidden', 'response-started', 'already-replayed', 'body-too-large', 'replay-failed'] as const)(
    'P4: when %s blocks the replay a write is a typed error, reads go on, and nothing is written',
    async (blocker) => {
      const scope = requestScope(pool)
      scope.blockReplay(blocker)
      await runInScope(scope, async () => {
        const error = await errorOf(pool.query("insert into note (body) values ('P4')"))
        expect(error).toBeInstanceOf(ReplayImpossible)
        expect(error).toMatchObject({ blocker })
        expect((await pool.query(WHO)).rows).toEqual([{ who: 'nrt' }])
        expect(await errorOf(pool.query("select write_note('P4')"))).toMatchObject({ blocker })
      })
      expect(await world.notes('P4')).toBe(0)
    },
  )

  it('P10: the scope has the refusal that a write met, until the next write is sent', async () => {
    const insert = "insert into note (body) values ('P10')"
    const refusedBy = async (refusing: RoutedPool) => {
      const scope = requestScope(refusing)
      const error = await runInScope(scope, () => errorOf(refusing.query(insert)))
      expect(scope.refusal).toBe(error)
      return [error, scope] as const
    }
    const gone = world.pool('ams', {
      primary: { region: 'ams', connectionString: 'postgres://127.0.0.1:1/postgres' },
      promotionWaitMillis: 0,
    })
    const [unavailable, scope] = await refusedBy(gone)
    expect(unavailable).toMatchObject({ code: 'HEADWATER_PRIMARY_UNAVAILABLE', status: 503 })
    // A primary that was demoted says no by itself.
    const demoted = world.pool('ams', {
      primary: { region: 'ams', connectionString: world.replica().url },
      replicas: [],
    })
    expect((await refusedBy(demoted))[0]).toMatchObject({ code: 'HEADWATER_PRIMARY_UNAVAILABLE', status: 503 })
    // It may have happened: nobody must be told to try again.
    await runInScope(scope, () => world.pool('ams').query(insert))
    expect([scope.refusal, await world.notes('P10')]).toEqual([undefined, 1])
  })

  it('P10: a read that has lost its replica, where no replay is possible, is a refusal that says so', async () => {
    const lonely = world.pool('nrt', { application_name: 'lonely' })
    const scope = requestScope(lonely)
    scope.blockReplay('replay-failed')
    const error = await runInScope(scope, async () => {
      const slow = errorOf(lonely.query('select pg_sleep(5)'))
      const server = world.ending(new pg.Pool({ connectionString: world.replica().url, max: 1 }))
      // Not the connection of the pool's monitor.
      const end =
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'lonely' and query = 'select pg_sleep(5)'"
      while ((await server.query(end)).rowCount === 0) await new Promise((resolve) => setTimeout(resolve, 10))
      return slow
    })
    expect(error).toMatchObject({ blocker: 'replay-failed', status: 503, cause: { code: '57P01' } })
    expect(scope.refusal).toBe(error)
  })

  it('P4: at home a primary’s own 25006 inside READ ONLY passes through untouched', async () => {
    const client = await world.pool('ams', { replicas: [] }).connect()
    await client.query('begin read only')
    const error = await errorOf(client.query("insert into note (body) values ('x')"))
    expect(error).toMatchObject({ code: '25006', severity: 'ERROR' })
    await client.query('rollback')
    client.release()
  })

  it('X4: at home with a primary that is in recovery a write is refused before it is sent', async () => {
    const standby = world.cluster.replicas[0]?.url ?? ''
    const failingOver = world.pool('ams', { primary: { region: 'ams', connectionString: standby }, replicas: [] })
    const error = await errorOf(inRequest(failingOver, () => failingOver.query("insert into note (body) values ('x')")))
    expect(error).toMatchObject({
      code: 'HEADWATER_PRIMARY_UNAVAILABLE',
      status: 503,
      cause: { message: expect.stringContaining('in recovery') },
    })
  })

  it('P6: outside a request a write goes to the primary over the wide network, or is refused, as the app chose', async () => {
    await pool.query("insert into note (body) values ('P6')")
    await pool.query("select write_note('P6')")
    expect(await world.notes('P6')).toBe(2)
    const strict = world.pool('nrt', { writesOutsideRequest: 'throw' })
    await expect(strict.query("insert into note (body) values ('P6')")).rejects.toMatchObject({
      blocker: 'no-request',
    })
    await inJob(async () => {
      await expect(strict.query("insert into note (body) values ('P6')")).rejects.toMatchObject({
        blocker: 'no-request',
      })
      await pool.query("insert into note (body) values ('P6 in a job')")
      expect((await pool.query(WHO)).rows).toEqual([{ who: 'primary' }])
    })
    expect(await world.notes('P6')).toBe(2)
  })

  it('a callback keeps the scope of its caller', async () => {
    const seen = await inRequest(
      pool,
      () => new Promise((resolve) => pool.query(WHO, () => resolve(currentScope() !== undefined))),
    )
    expect(seen).toBe(true)
  })
})
