import type { drizzle, RoutedDatabase } from '@headwater/drizzle'
import type * as orm from 'drizzle-orm'
import type * as core from 'drizzle-orm/pg-core'
import type { DataAdapter } from './data.ts'

/** One version of Drizzle, and our `drizzle()` over it. */
export interface DrizzleVersion {
  readonly orm: typeof orm
  readonly core: typeof core
  readonly drizzle: typeof drizzle
}

/** The data adapter of one version of Drizzle; 0.45 types both. */
export function drizzleData(name: string, { orm, core, drizzle }: DrizzleVersion): DataAdapter {
  const { sql, eq, inArray } = orm
  const { integer, pgTable, pgView, text } = core
  const note = pgTable('note', {
    id: integer().primaryKey().generatedAlwaysAsIdentity(),
    body: text().notNull(),
    region: text().notNull(),
  })
  const server = pgView('server', { who: text().notNull() }).existing()
  const tag = pgTable('tag', { name: text().primaryKey() })
  const counter = pgTable('counter', { id: integer().primaryKey(), n: integer().notNull() })

  type Handle = Pick<RoutedDatabase, 'select' | 'insert'>
  const WHO = { who: sql<string>`(select who from server)`.as('who') }
  const one = async (rows: PromiseLike<{ who: string }[]>) => (await rows)[0]?.who ?? 'no row'
  const read = (db: Handle) => one(db.select().from(server))
  const values = (body: string) => ({ body, region: 'here' })
  const write = (db: Handle, body: string) => one(db.insert(note).values(values(body)).returning(WHO))
  const readAndWrite = (body: string) => async (db: Handle) => [await read(db), await write(db, body)]

  return {
    name,
    lacks: {
      stream: 'Drizzle has no streams over node-postgres',
      connection: 'Drizzle has no handle to one connection, but for transactions',
    },
    wrappers: 1,
    open(pool) {
      const db = drizzle({ client: pool })
      const raw = async (query: orm.SQL) => String((await db.execute(query)).rows[0]?.['who'])
      const absent = (): never => {
        throw new Error('Drizzle cannot do this: the suite must skip it')
      }
      return {
        read: () => read(db),
        find: async (body) => {
          const [row] = await db.select({ who: server.who, n: db.$count(note, eq(note.body, body)) }).from(server)
          return `${row?.who} sees ${row?.n}`
        },
        readRaw: () => raw(sql`/* insert into note */ ((select who from server)) -- for update`),
        readThroughCte: () => {
          const s = db.$with('s').as(db.select().from(server))
          return one(db.with(s).select({ who: s.who }).from(s))
        },
        readOnlyTransaction: () =>
          db.transaction(async (tx) => [await read(tx), await read(tx)], { accessMode: 'read only' }),
        stream: absent,
        write: (body) => write(db, body),
        writeRaw: (body) =>
          raw(
            sql`/* select */ with a as (insert into note (body, region) values (${body}, 'here') returning id) (select who from server, a)`,
          ),
        writingCte: (body) => {
          const a = db.$with('a').as(db.insert(note).values(values(body)).returning({ id: note.id }))
          return one(db.with(a).select(WHO).from(a))
        },
        cteBeforeUpdate: () => {
          const c = db.$with('c').as(db.select({ id: counter.id }).from(counter))
          return one(
            db
              .with(c)
              .update(counter)
              .set({ n: sql`${counter.n} + 1` })
              .where(inArray(counter.id, sql`(select id from ${c})`))
              .returning(WHO),
          )
        },
        forUpdate: () => one(db.select(WHO).from(counter).where(eq(counter.id, 1)).for('update')),
        forShareSkipLocked: () => one(db.select(WHO).from(counter).for('share', { skipLocked: true })),
        nextval: () => one(db.select({ who: server.who, next: sql`nextval('note_id_seq')` }).from(server)),
        advisoryLock: () => one(db.select({ who: server.who, got: sql`pg_try_advisory_xact_lock(7)` }).from(server)),
        sessionLock: () =>
          raw(
            sql`select who, pg_advisory_unlock(9) from (select who, pg_advisory_lock(9) from server offset 0) as locked`,
          ),
        transaction: (body) => db.transaction(readAndWrite(body)),
        serializable: (body) => db.transaction(readAndWrite(body), { isolationLevel: 'serializable' }),
        rolledBack: (body, reason) =>
          db.transaction(async (tx) => {
            await write(tx, body)
            throw reason
          }),
        savepoints: (body) =>
          db.transaction(async (tx) => {
            await write(tx, body)
            const changedMind = new Error('undone')
            await tx
              .transaction(async (nested) => {
                await write(nested, body)
                throw changedMind
              })
              .catch((error: unknown) => {
                if (error !== changedMind) throw error
              })
            await tx.transaction((nested) => write(nested, body))
          }),
        connection: absent,
        callWriter: async (body) => void (await db.execute(sql`select write_note(${body})`)),
        violateUnique: async () => await db.insert(tag).values({ name: 'taken' }),
        divideByZero: async () => await db.select({ n: sql`1 / ${0}::int` }).from(server),
      }
    },
  }
}
