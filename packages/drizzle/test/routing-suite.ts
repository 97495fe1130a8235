import { currentScope, findReplay, ReplayToPrimary, WriteOnReplica, withPrimary, withReplica } from '@headwater/core'
import { errorOf, inJob, inRequest } from '@headwater/test-world'
import pg from 'pg'
import { describe, expect, it } from 'vitest'
import type { Stage } from './stage.ts'
import { statementsOf } from './statements.ts'
import type { Database } from './version.ts'

/** Where each statement goes, and how what fails comes back. */
export function whereStatementsGo(stage: Stage): void {
  const { name, version } = stage
  const { reads, writes } = statementsOf(version)
  const { sql, DrizzleQueryError } = version.orm
  const { note, server, noteCount } = version.tables

  describe(`${name}: where each statement goes`, () => {
    it.each(Object.entries(reads))('R1: %s is read on the local replica, at home and away', async (_, run) => {
      expect(await run(stage.atHome)).toBe('nrt')
      expect(await run(stage.abroad)).toBe('nrt')
      expect(await inRequest(stage.away, () => run(stage.abroad))).toBe('nrt')
    })

    it.each(Object.entries(writes))('R1, P1, P6: %s goes to the primary, or is replayed', async (_, run) => {
      expect(await run(stage.atHome)).toBe('primary')
      expect(await run(stage.abroad)).toBe('primary')
      const error = await inRequest(stage.away, () => errorOf(run(stage.abroad)))
      expect(error).toBeInstanceOf(DrizzleQueryError)
      expect(findReplay(error)).toMatchObject({ region: 'ams' })
      // Nothing was sent: a database would have been the cause.
      expect(findReplay(error)?.cause).toBeUndefined()
    })

    it.each(Object.entries(reads))('R4: %s reads the primary after a write', async (_, run) => {
      await inJob(async () => {
        await stage.add(stage.atHome, 'R4')
        expect(await run(stage.atHome)).toBe('primary')
      })
    })

    it('R1, P2: an unseen function that writes goes to the primary at home, and is replayed once the standby refused it', async () => {
      const write = (db: Database, body: string) => db.execute(sql`select write_note(${body})`)
      await write(stage.atHome, 'unseen at home')
      expect(await stage.world.notes('unseen at home')).toBe(1)
      const error = await inRequest(stage.away, () => errorOf(write(stage.abroad, 'unseen away')))
      expect(findReplay(error)?.cause).toMatchObject({ code: '25006' })
      expect(await stage.world.notes('unseen away')).toBe(0)
    })

    it('R2: an advisory lock is held at the primary', async () => {
      await stage.atHome.transaction(async (tx) => {
        await tx.execute(sql`select pg_advisory_xact_lock(4242)`)
        const { rows } = await stage.world.admin.query(
          "select 1 from pg_locks where locktype = 'advisory' and objid = 4242",
        )
        expect(rows).toHaveLength(1)
      })
    })

    it('R6: withPrimary and withReplica start the builder that they are given inside', async () => {
      const read = () => stage.atHome.select({ who: server.who }).from(server)
      expect(await withPrimary(read)).toEqual([{ who: 'primary' }])
      expect(await withPrimary(() => stage.atHome.$count(server, version.orm.eq(server.isStandby, false)))).toBe(1)
      await inJob(async () => {
        await stage.add(stage.atHome, 'R6 lazy')
        expect(await withReplica(read)).toEqual([{ who: 'nrt' }])
      })
      const insert = withReplica(() => stage.atHome.insert(note).values({ body: 'R6 lazily refused' }))
      expect(((await errorOf(insert)) as Error).cause).toBeInstanceOf(WriteOnReplica)
      expect(await stage.world.notes('R6 lazily refused')).toBe(0)
    })

    it('R6: withPrimary and withReplica route what is awaited inside them', async () => {
      expect(await withPrimary(async () => await stage.who(stage.atHome))).toBe('primary')
      await inJob(async () => {
        await stage.add(stage.atHome, 'R6')
        expect(await withReplica(async () => await stage.who(stage.atHome))).toBe('nrt')
      })
      const error = await errorOf(withReplica(async () => await stage.add(stage.atHome, 'R6 refused')))
      expect((error as Error).cause).toBeInstanceOf(WriteOnReplica)
      expect(await stage.world.notes('R6 refused')).toBe(0)
    })

    it('the database is Drizzle’s own, and $client the pool itself', () => {
      expect(Object.getPrototypeOf(stage.atHome)).toBe(version.NodePgDatabase.prototype)
      expect(stage.atHome.$client).toBe(stage.home)
    })

    it('refreshMaterializedView refreshes, with data or without', async () => {
      await stage.atHome.refreshMaterializedView(noteCount).withNoData()
      await stage.atHome.refreshMaterializedView(noteCount)
      const [row] = await withPrimary(async () => await stage.atHome.select().from(noteCount))
      expect(row?.count).toBeGreaterThan(0)
    })

    it('a prepared statement is routed each time that it runs', async () => {
      const prepared = stage.atHome.select({ who: server.who }).from(server).prepare('who_is_it')
      await inJob(async () => {
        expect(await prepared.execute()).toEqual([{ who: 'nrt' }])
        await stage.add(stage.atHome, 'prepared')
        expect(await prepared.execute()).toEqual([{ who: 'primary' }])
      })
      expect(await prepared.execute()).toEqual([{ who: 'nrt' }])
    })
  })

  describe(`${name}: prepared statements`, () => {
    it('take their placeholders at each run, in inserts, updates and relational queries', async () => {
      const { eq } = version.orm
      const { placeholder } = sql
      const add = stage.atHome
        .insert(note)
        .values({ body: placeholder('body') })
        .returning({ id: note.id })
        .prepare('add')
      const change = stage.atHome
        .update(note)
        .set({ body: sql`${placeholder('to')}` })
        .where(eq(note.body, placeholder('from')))
        .prepare('change')
      const page = stage.atHome.query.note.findMany({ limit: placeholder('limit') }).prepare('page')
      await inJob(async () => {
        await add.execute({ body: 'placed' })
        await add.execute({ body: 'placed twice' })
        await change.execute({ from: 'placed twice', to: 'placed' })
      })
      expect(await stage.world.notes('placed')).toBe(2)
      expect(await page.execute({ limit: 1 })).toHaveLength(1)
      expect(await page.execute({ limit: 2 })).toHaveLength(2)
      const error = await inRequest(stage.away, () =>
        errorOf(
          stage.abroad
            .insert(note)
            .values({ body: placeholder('body') })
            .prepare('add')
            .execute({ body: 'placed away' }),
        ),
      )
      expect(findReplay(error)).toBeDefined()
    })

    it('run in the transaction that prepared them', async () => {
      const body = 'prepared in a transaction'
      await errorOf(
        stage.atHome.transaction(async (tx) => {
          const add = tx
            .insert(note)
            .values({ body: sql.placeholder('body') })
            .prepare('add_in_transaction')
          await add.execute({ body })
          const find = tx
            .select({ body: note.body })
            .from(note)
            .where(version.orm.eq(note.body, sql.placeholder('body')))
          expect(await find.prepare('find_in_transaction').execute({ body })).toEqual([{ body }])
          tx.rollback()
        }),
      )
      expect(await stage.world.notes(body)).toBe(0)
    })
  })

  describe(`${name}: errors`, () => {
    it('a database error surfaces as Drizzle gives it, with pg’s own as its cause', async () => {
      const error = await errorOf(stage.atHome.insert(version.tables.author).values({ name: 'ada' }))
      expect(error).toBeInstanceOf(DrizzleQueryError)
      const { cause } = error as Error
      expect(cause).toBeInstanceOf(pg.DatabaseError)
      expect(cause).toMatchObject({ code: '23505', table: 'author', constraint: 'author_name_key' })
      expect(findReplay(error)).toBeUndefined()
    })

    it('P3: a swallowed replay spends the request', async () => {
      await inRequest(stage.away, async () => {
        await errorOf(stage.add(stage.abroad, 'swallowed'))
        const { replay } = currentScope() ?? {}
        expect(replay).toBeInstanceOf(ReplayToPrimary)
        expect(findReplay(await errorOf(stage.who(stage.abroad)))).toEqual(replay)
        expect(findReplay(await errorOf(stage.abroad.transaction(stage.who, { accessMode: 'read only' })))).toEqual(
          replay,
        )
      })
      expect(await stage.world.notes('swallowed')).toBe(0)
    })
  })
}
