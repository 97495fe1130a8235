import { ReplayImpossible, runInScope, Scope } from '@headwater/core'
import { errorOf, inJob, type World } from '@headwater/test-world'
import { Kysely, sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { HeadwaterDialect } from '../src/index.ts'
import { type Database, startApp, startWorld } from './world.ts'

const who = async (db: Pick<Kysely<Database>, 'selectFrom'>): Promise<string> =>
  (await db.selectFrom('server').select('who').executeTakeFirstOrThrow()).who

const insert = (db: Kysely<Database>, body: string) => db.insertInto('note').values({ body }).execute()

/** The life of a scope, and of a dialect, for every Kysely. */
export function describeLifetimes(version: string): void {
  describe(`kysely ${version}: lifetimes`, () => {
    let world: World
    beforeAll(async () => {
      world = await startWorld()
    })
    afterAll(() => world[Symbol.asyncDispose]())

    it('R4: after a write in the scope, reads go to the primary; the scope ends with it', async () => {
      const { db } = await startApp(world, { region: 'ams', isRequest: false })
      await inJob(async () => {
        expect(await who(db)).toBe('nrt')
        await insert(db, 'R4')
        expect(await who(db)).toBe('primary')
      })
      expect(await who(db)).toBe('nrt')
    })

    it('P3: the scope is spent; P4: with replay forbidden a write is impossible; both errors come unwrapped', async () => {
      const { db, pool } = await startApp(world, { region: 'nrt', isRequest: true })
      const scope = new Scope({ kind: 'request', topology: () => pool.topology })
      await runInScope(scope, async () => {
        const first = await errorOf(insert(db, 'P3'))
        expect(first).toEqual(scope.replay)
        expect(await errorOf(who(db))).toEqual(first)
        expect(await errorOf(db.transaction().execute((trx) => who(trx)))).toEqual(first)
      })
      const obstructed = new Scope({ kind: 'request', topology: () => pool.topology })
      obstructed.blockReplay('forbidden')
      const error = await runInScope(obstructed, () => errorOf(insert(db, 'P4')))
      expect(error).toBeInstanceOf(ReplayImpossible)
    })

    it('X11: a query of a transaction that is over does not run on its own', async () => {
      const { db, pool } = await startApp(world, { region: 'ams', isRequest: false })
      const late: Promise<unknown>[] = []
      const failed = db.transaction().execute(async (trx) => {
        // Kysely sends one after the other; the first ends the session, the transaction ends, and the last are still to come.
        const lost = sql`select pg_terminate_backend(pg_backend_pid(), 1000)`.execute(trx)
        for (let n = 0; n < 4; n += 1) late.push(insert(trx, 'late'))
        await Promise.all([lost, ...late])
      })
      expect(await errorOf(failed)).toMatchObject({ code: 'HEADWATER_CONNECTION_LOST', cause: { code: '57P01' } })
      for (const one of await Promise.allSettled(late)) expect(one.status).toBe('rejected')
      expect(await world.notes('late')).toBe(0)
      await expect.poll(() => pool.idleCount).toBe(pool.totalCount)
    })

    it('stream() without a cursor names the missing option, and takes no connection', async () => {
      const pool = world.pool('ams')
      const db = new Kysely<Database>({ dialect: new HeadwaterDialect({ pool }) })
      const stream = db.selectFrom('server').select('who').stream()
      await expect(stream.next()).rejects.toThrow(/option `cursor`/)
      expect(pool.totalCount).toBe(0)
    })

    it('X5: destroy() ends the pool, also one that a function made, and may be called twice', async () => {
      const pool = world.pool('ams')
      let made = 0
      const dialect = new HeadwaterDialect({
        pool: async () => {
          made += 1
          return pool
        },
      })
      const db = new Kysely<Database>({ dialect })
      expect(made).toBe(0)
      await Promise.all([who(db), insert(db, 'X5'), who(db)])
      expect(made).toBe(1)
      await db.destroy()
      await db.destroy()
      expect(pool.ended).toBe(true)
      expect(pool.listenerCount('acquire')).toBe(0)
      await expect(who(db)).rejects.toThrow('driver has already been destroyed')
    })
  })
}
