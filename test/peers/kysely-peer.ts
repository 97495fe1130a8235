import { type Generated, Kysely, PostgresDialect, type RawBuilder, sql } from 'kysely-0.28'
import { KyselyReplicationDialect } from 'kysely-replication'
import { RoundRobinReplicaStrategy } from 'kysely-replication/strategy/round-robin'
import pg from 'pg'
import { built, type Contestant, type Opened, raw, seen, spread } from './contestant.ts'
import { ASKING, SILENT } from './raw-sql.ts'
import { versionOf } from './version-of.ts'
import type { Nodes } from './world.ts'

interface Database {
  note: { id: Generated<number>; body: string }
  counter: { id: number; n: number }
  server: { who: string }
  writing: { id: number }
}

const WHO = sql<string>`(select who from server)`.as('who')

async function open({ primary, replicas }: Nodes): Promise<Opened> {
  const dialect = (connectionString: string) => {
    const pool = new pg.Pool({ connectionString })
    pool.on('error', () => undefined)
    return new PostgresDialect({ pool })
  }
  const [one, two] = replicas
  const db = new Kysely<Database>({
    dialect: new KyselyReplicationDialect({
      primaryDialect: dialect(primary),
      replicaDialects: [dialect(one), dialect(two)],
      replicaStrategy: new RoundRobinReplicaStrategy({ onTransaction: 'error' }),
    }),
  })
  type Handle = Kysely<Database>

  const first = async (query: { executeTakeFirstOrThrow(): Promise<{ who: string }> }) =>
    (await query.executeTakeFirstOrThrow()).who
  const read = (handle: Handle) => first(handle.selectFrom('server').select('who'))
  const insert = (handle: Handle, body: string) => first(handle.insertInto('note').values({ body }).returning(WHO))
  const calling = (call: RawBuilder<unknown>) =>
    built(() => first(db.selectFrom('server').select(['who', call.as('result')])))
  const silentCall = (call: (body: string) => RawBuilder<unknown>) =>
    built(async (body) => {
      await db.selectFrom('server').select(call(body).as('result')).execute()
      return undefined
    })
  const silentRaw = (textOf: (body: string) => string) =>
    raw(async (body) => {
      await sql.raw(textOf(body)).execute(db)
      return undefined
    })
  const rawWho = (textOf: (body: string) => string) =>
    raw(async (body) => String((await sql.raw<{ who: string }>(textOf(body)).execute(db)).rows[0]?.who))
  const bodies = (body: string) =>
    db.with('c', (creator) => creator.selectNoFrom((eb) => eb.val(body).$castTo<string>().as('body')))

  return {
    close: () => db.destroy(),
    attempts: {
      select: built(() => read(db)),
      cte: built(() =>
        first(
          db
            .with('c', (creator) => creator.selectFrom('server').select('who'))
            .selectFrom('c')
            .select('who'),
        ),
      ),
      rawRead: rawWho(ASKING.rawRead),
      readingFunction: built(() =>
        first(db.selectFrom('server').select((eb) => ['who', eb.fn<string>('count_notes', []).as('result')])),
      ),
      readOnlyTransaction: built(() => db.transaction().setAccessMode('read only').execute(read)),
      insert: built((body) => insert(db, body)),
      insertingCte: built((body) =>
        first(
          db
            .with('c', (creator) => creator.insertInto('note').values({ body }).returning('id'))
            .selectFrom('c')
            .select(WHO),
        ),
      ),
      updatingCte: built(() =>
        first(
          db
            .with('c', (creator) => creator.updateTable('counter').set({ n: 0 }).returning('id'))
            .selectFrom('c')
            .select(WHO),
        ),
      ),
      deletingCte: built(() =>
        first(
          db
            .with('c', (creator) => creator.deleteFrom('note').returning('id'))
            .selectFrom('server')
            .select('who'),
        ),
      ),
      cteBeforeInsert: built(async (body) => {
        await bodies(body)
          .insertInto('note')
          .columns(['body'])
          .expression((eb) => eb.selectFrom('c').select('body'))
          .execute()
        return undefined
      }),
      cteBeforeUpdate: built(async () => {
        await db
          .with('c', (creator) => creator.selectFrom('counter').select('id'))
          .updateTable('counter')
          .set({ n: 1 })
          .where('id', 'in', (eb) => eb.selectFrom('c').select('id'))
          .execute()
        return undefined
      }),
      cteBeforeDelete: built(async (body) => {
        await bodies(body)
          .deleteFrom('note')
          .where('body', 'in', (eb) => eb.selectFrom('c').select('body'))
          .execute()
        return undefined
      }),
      rawWrite: rawWho(ASKING.rawWrite),
      twoStatements: silentRaw(SILENT.twoStatements),
      explainAnalyze: built(async (body) => {
        await db.insertInto('note').values({ body }).explain('text', sql`analyze`)
        return undefined
      }),
      selectInto: silentRaw(SILENT.selectInto),
      temporaryTable: built(async () => {
        await db.schema.createTable('scratch').temporary().addColumn('n', 'integer').execute()
        return undefined
      }),
      listen: silentRaw(SILENT.listen),
      forUpdate: built(() => first(db.selectFrom('counter').select(WHO).forUpdate())),
      forUpdateSkipLocked: built(() => first(db.selectFrom('counter').select(WHO).forUpdate().skipLocked())),
      forShare: built(() => first(db.selectFrom('counter').select(WHO).forShare())),
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
        await db.selectFrom('writing').select('id').execute()
        return undefined
      }),
      transaction: built((body) =>
        db.transaction().execute(async (trx) => {
          await read(trx)
          return insert(trx, body)
        }),
      ),
      serializable: built(() => db.transaction().setIsolationLevel('serializable').execute(read)),
      savepoint: built(async (body) => {
        const trx = await db.startTransaction().execute()
        try {
          const nested = await trx.savepoint('one').execute()
          const who = await insert(nested, body)
          await trx.commit().execute()
          return who
        } catch (error) {
          await trx.rollback().execute()
          throw error
        }
      }),
      connection: built((body) =>
        db.connection().execute(async (connection) => {
          await read(connection)
          return insert(connection, body)
        }),
      ),
      readAfterWrite: built(async (body) => {
        await insert(db, body)
        const count = sql<number>`(select count(*)::int from note where body = ${body})`.as('count')
        return seen(await db.selectFrom('server').select(['who', count]).executeTakeFirst())
      }),
      manyReads: built(() => spread(() => read(db))),
      noReplica: built(() => read(db)),
    },
  }
}

/** kysely-replication as its README has it, on the Kysely that it asks for. */
export const kyselyPeer: Contestant = {
  name: 'kysely-replication',
  version: versionOf('kysely-replication'),
  open,
}
