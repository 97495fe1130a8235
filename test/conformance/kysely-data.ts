import type { HeadwaterDialect } from '@headwater/kysely'
import type { Generated, Kysely, sql, Transaction } from 'kysely'
import Cursor from 'pg-cursor'
import type { DataAdapter } from './data.ts'

interface Database {
  note: { id: Generated<number>; body: string; region: string }
  server: { who: string }
  tag: { name: string }
  counter: { id: number; n: number }
}

/** One version of Kysely, and our dialect over it. */
export interface KyselyVersion {
  readonly Kysely: typeof Kysely
  readonly sql: typeof sql
  readonly HeadwaterDialect: typeof HeadwaterDialect
}

/** The data adapter of one version of Kysely; 0.29 types both. */
export function kyselyData(name: string, { Kysely, sql, HeadwaterDialect }: KyselyVersion): DataAdapter {
  type Handle = Kysely<Database> | Transaction<Database>
  const WHO = sql<string>`(select who from server)`.as('who')
  const read = async (db: Handle) => (await db.selectFrom('server').select('who').executeTakeFirstOrThrow()).who
  const values = (body: string) => ({ body, region: 'here' })
  const write = async (db: Handle, body: string) =>
    (await db.insertInto('note').values(values(body)).returning(WHO).executeTakeFirstOrThrow()).who
  const readAndWrite = (body: string) => async (db: Handle) => [await read(db), await write(db, body)]
  const first = async (query: { executeTakeFirstOrThrow(): Promise<{ who: string }> }) =>
    (await query.executeTakeFirstOrThrow()).who

  return {
    name,
    lacks: {},
    wrappers: 0,
    open(pool) {
      const db = new Kysely<Database>({ dialect: new HeadwaterDialect({ pool, cursor: Cursor }) })
      const raw = async (query: ReturnType<typeof sql<{ who: string }>>) =>
        (await query.execute(db)).rows[0]?.who ?? 'no row'
      return {
        read: () => read(db),
        find: async (body) => {
          const { who, n } = await db
            .selectFrom('server')
            .select(({ selectFrom, fn }) => [
              'who',
              selectFrom('note').select(fn.countAll().as('n')).where('body', '=', body).as('n'),
            ])
            .executeTakeFirstOrThrow()
          return `${who} sees ${n}`
        },
        readRaw: () => raw(sql`/* insert into note */ ((select who from server)) -- for update`),
        readThroughCte: () =>
          first(
            db
              .with('s', (creator) => creator.selectFrom('server').select('who'))
              .selectFrom('s')
              .select('who'),
          ),
        readOnlyTransaction: () =>
          db
            .transaction()
            .setAccessMode('read only')
            .execute(async (trx) => [await read(trx), await read(trx)]),
        async *stream() {
          const rows = db
            .selectFrom(['server', sql<{ n: number }>`generate_series(1, 3)`.as('n')])
            .select('who')
            .stream(2)
          for await (const row of rows) yield row.who
        },
        write: (body) => write(db, body),
        writeRaw: (body) =>
          raw(
            sql`/* select */ with a as (insert into note (body, region) values (${body}, 'here') returning id) (select who from server, a)`,
          ),
        writingCte: (body) =>
          first(
            db
              .with('a', (creator) => creator.insertInto('note').values(values(body)).returning('id'))
              .selectFrom('a')
              .select(WHO),
          ),
        cteBeforeUpdate: () =>
          first(
            db
              .with('c', (creator) => creator.selectNoFrom(sql<number>`1`.as('id')))
              .updateTable('counter')
              .set((eb) => ({ n: eb('n', '+', 1) }))
              .where('id', 'in', (eb) => eb.selectFrom('c').select('id'))
              .returning(WHO),
          ),
        forUpdate: () => first(db.selectFrom('counter').select(WHO).forUpdate()),
        forShareSkipLocked: () => first(db.selectFrom('counter').select(WHO).forShare().skipLocked()),
        nextval: () =>
          first(
            db
              .selectFrom('server')
              .select((eb) => ['who', eb.fn<string>('nextval', [sql.lit('note_id_seq')]).as('next')]),
          ),
        advisoryLock: () =>
          first(
            db
              .selectFrom('server')
              .select((eb) => ['who', eb.fn<boolean>('pg_try_advisory_xact_lock', [sql.lit(7)]).as('got')]),
          ),
        sessionLock: () =>
          raw(
            sql`select who, pg_advisory_unlock(9) from (select who, pg_advisory_lock(9) from server offset 0) as locked`,
          ),
        transaction: (body) => db.transaction().execute(readAndWrite(body)),
        serializable: (body) => db.transaction().setIsolationLevel('serializable').execute(readAndWrite(body)),
        rolledBack: (body, reason) =>
          db.transaction().execute(async (trx) => {
            await write(trx, body)
            throw reason
          }),
        async savepoints(body) {
          const trx = await db.startTransaction().execute()
          try {
            await write(trx, body)
            const undone = await trx.savepoint('undone').execute()
            await write(undone, body)
            await undone.rollbackToSavepoint('undone').execute()
            const kept = await trx.savepoint('kept').execute()
            await write(kept, body)
            await kept.releaseSavepoint('kept').execute()
            await trx.commit().execute()
          } catch (error) {
            await trx.rollback().execute()
            throw error
          }
        },
        connection: (body) =>
          db
            .connection()
            .execute(async (connection) => [
              await read(connection),
              await write(connection, body),
              await read(connection),
            ]),
        callWriter: async (body) =>
          void (await db.selectNoFrom((eb) => eb.fn<number>('write_note', [eb.val(body)]).as('id')).execute()),
        violateUnique: () => db.insertInto('tag').values({ name: 'taken' }).execute(),
        divideByZero: () => db.selectNoFrom(sql<number>`1 / ${0}::int`.as('n')).execute(),
      }
    },
  }
}
