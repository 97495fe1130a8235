import { inArray, type SQL, sql } from 'drizzle-orm'
import { drizzle, type NodePgDatabase } from 'drizzle-orm/node-postgres'
import { integer, pgTable, pgView, text, withReplicas } from 'drizzle-orm/pg-core'
import pg from 'pg'
import { built, type Contestant, type Opened, raw, seen, spread } from './contestant.ts'
import { ASKING, SILENT } from './raw-sql.ts'
import { versionOf } from './version-of.ts'
import type { Nodes } from './world.ts'

const note = pgTable('note', { id: integer().primaryKey().generatedAlwaysAsIdentity(), body: text().notNull() })
const counter = pgTable('counter', { id: integer().primaryKey(), n: integer().notNull() })
const server = pgView('server', { who: text().notNull() }).existing()
const writing = pgView('writing', { id: integer() }).existing()
const WHO = { who: sql<string>`(select who from server)`.as('who') }

type Handle = Pick<NodePgDatabase, 'select' | 'insert'>

async function open({ primary, replicas }: Nodes): Promise<Opened> {
  const pools = [primary, ...replicas].map((connectionString) => new pg.Pool({ connectionString }))
  for (const pool of pools) pool.on('error', () => undefined)
  const [main, one, two] = pools.map((client) => drizzle({ client }))
  if (main === undefined || one === undefined || two === undefined) throw new Error('a primary and two replicas')
  const db = withReplicas(main, [one, two])

  const first = async (rows: PromiseLike<{ who: string }[]>) => String((await rows)[0]?.who)
  const read = (handle: Handle) => first(handle.select().from(server))
  const insert = (handle: Handle, body: string) => first(handle.insert(note).values({ body }).returning(WHO))
  const calling = (call: SQL) => built(() => first(db.select({ who: server.who, result: call }).from(server)))
  const silentCall = (call: (body: string) => SQL) =>
    built(async (body) => {
      await db.select({ result: call(body) }).from(server)
      return undefined
    })
  const silentRaw = (textOf: (body: string) => string) =>
    raw(async (body) => {
      await db.execute(sql.raw(textOf(body)))
      return undefined
    })
  const rawWho = (textOf: (body: string) => string) =>
    raw(async (body) => String((await db.execute(sql.raw(textOf(body)))).rows[0]?.['who']))
  const bodies = (body: string) =>
    db.$with('c').as(db.select({ body: sql<string>`${body}::text`.as('body') }).from(server))

  return {
    close: () => Promise.all(pools.map((pool) => pool.end())),
    attempts: {
      select: built(() => read(db)),
      cte: built(() => {
        const c = db.$with('c').as(db.select().from(server))
        return first(db.with(c).select({ who: c.who }).from(c))
      }),
      rawRead: rawWho(ASKING.rawRead),
      readingFunction: calling(sql`count_notes()`),
      readOnlyTransaction: built(() => db.transaction(read, { accessMode: 'read only' })),
      insert: built((body) => insert(db, body)),
      insertingCte: built((body) => {
        const c = db.$with('c').as(db.insert(note).values({ body }).returning({ id: note.id }))
        return first(db.with(c).select(WHO).from(c))
      }),
      updatingCte: built(() => {
        const c = db.$with('c').as(db.update(counter).set({ n: 0 }).returning({ id: counter.id }))
        return first(db.with(c).select(WHO).from(c))
      }),
      deletingCte: built(() => {
        const c = db.$with('c').as(db.delete(note).returning({ id: note.id }))
        return first(db.with(c).select(WHO).from(server))
      }),
      cteBeforeInsert: built(async (body) => {
        const c = bodies(body)
        await db
          .with(c)
          .insert(note)
          .values({ body: sql`(select body from ${c})` })
        return undefined
      }),
      cteBeforeUpdate: built(async () => {
        const c = db.$with('c').as(db.select({ id: counter.id }).from(counter))
        await db
          .with(c)
          .update(counter)
          .set({ n: 1 })
          .where(inArray(counter.id, sql`(select id from ${c})`))
        return undefined
      }),
      cteBeforeDelete: built(async (body) => {
        const c = bodies(body)
        await db
          .with(c)
          .delete(note)
          .where(inArray(note.body, sql`(select body from ${c})`))
        return undefined
      }),
      rawWrite: rawWho(ASKING.rawWrite),
      twoStatements: silentRaw(SILENT.twoStatements),
      explainAnalyze: silentRaw(SILENT.explainAnalyze),
      selectInto: silentRaw(SILENT.selectInto),
      temporaryTable: silentRaw(SILENT.temporaryTable),
      listen: silentRaw(SILENT.listen),
      forUpdate: built(() => first(db.select(WHO).from(counter).for('update'))),
      forUpdateSkipLocked: built(() => first(db.select(WHO).from(counter).for('update', { skipLocked: true }))),
      forShare: built(() => first(db.select(WHO).from(counter).for('share'))),
      advisoryLock: calling(sql`pg_advisory_lock(1)`),
      tryAdvisoryLock: calling(sql`pg_try_advisory_lock(1)`),
      advisoryLockOfTransaction: calling(sql`pg_advisory_xact_lock(1)`),
      tryAdvisoryLockOfTransaction: calling(sql`pg_try_advisory_xact_lock(1)`),
      nextval: calling(sql`nextval('ticket')`),
      setval: calling(sql`setval('ticket', 7)`),
      notify: calling(sql`pg_notify('peers', '')`),
      writingFunction: silentCall((body) => sql`write_note(${body})`),
      swallowingFunction: silentCall((body) => sql`try_to_write_note(${body})`),
      writingView: built(async () => {
        await db.select().from(writing)
        return undefined
      }),
      transaction: built((body) =>
        db.transaction(async (tx) => {
          await read(tx)
          return insert(tx, body)
        }),
      ),
      serializable: built(() => db.transaction(read, { isolationLevel: 'serializable' })),
      savepoint: built((body) => db.transaction((tx) => tx.transaction((nested) => insert(nested, body)))),
      readAfterWrite: built(async (body) => {
        await insert(db, body)
        const count = sql<number>`(select count(*)::int from note where body = ${body})`
        return seen((await db.select({ who: server.who, count }).from(server))[0])
      }),
      manyReads: built(() => spread(() => read(db))),
      noReplica: built(() => read(db)),
    },
  }
}

/** `withReplicas` as Drizzle's documentation has it: a primary, two replicas, and its own choice between them. */
export const drizzlePeer: Contestant = {
  name: 'Drizzle `withReplicas`',
  version: versionOf('drizzle-orm'),
  open,
}
