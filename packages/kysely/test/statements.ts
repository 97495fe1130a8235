import { CompiledQuery, type Kysely, type SqlBool, sql } from 'kysely'
import type { Database } from './world.ts'

/** Where a statement belongs: `read` on the local replica, `write` at the primary, `unknown` where the setting says. */
export type Belongs = 'read' | 'write' | 'unknown'

type Rows = readonly { who: string | null }[]

export interface StatementCase {
  readonly name: string
  readonly belongs: Belongs
  /** Gives which server answered, asked of that server in the same statement. */
  readonly who: (db: Kysely<Database>) => Promise<Rows>
}

/** Asked inside another statement. */
const WHO = sql<string>`(select who from server)`.as('who')

const raw = (text: string) => async (db: Kysely<Database>) =>
  (await db.executeQuery<{ who: string }>(CompiledQuery.raw(text))).rows

const template = (query: ReturnType<typeof sql<{ who: string }>>) => async (db: Kysely<Database>) =>
  (await query.execute(db)).rows

const read = (name: string, who: StatementCase['who']): StatementCase => ({ name, belongs: 'read', who })
const write = (name: string, who: StatementCase['who']): StatementCase => ({ name, belongs: 'write', who })
const unknown = (name: string, who: StatementCase['who']): StatementCase => ({ name, belongs: 'unknown', who })

export const STATEMENTS: readonly StatementCase[] = [
  read('select', (db) => db.selectFrom('server').select('who').execute()),
  read('select without a table', (db) => db.selectNoFrom(WHO).execute()),
  read('a join, a subquery, a union, with $if', (db) =>
    db
      .selectFrom('server')
      .innerJoin('note', (join) => join.onTrue())
      .where('note.id', 'in', (eb) => eb.selectFrom('note').select('id'))
      .select('who')
      .$if(true, (query) => query.where('body', '!=', 'nobody'))
      .union((eb) => eb.selectFrom('server').select('who'))
      .execute(),
  ),
  read('a CTE that reads, in a CTE that reads', (db) =>
    db
      .with('outer_one', (creator) =>
        creator
          .with('inner_one', (inner) => inner.selectFrom('server').select('who'))
          .selectFrom('inner_one')
          .selectAll(),
      )
      .selectFrom('outer_one')
      .selectAll()
      .execute(),
  ),
  read('a recursive CTE', (db) =>
    db
      .withRecursive('n(i)', (creator) =>
        creator
          .selectNoFrom(sql<number>`1`.as('i'))
          .unionAll(creator.selectFrom('n').where('i', '<', 3).select(sql<number>`i + 1`.as('i'))),
      )
      .selectFrom('n')
      .select(WHO)
      .execute(),
  ),
  read('what users sent may look like a node', (db) =>
    db
      .selectFrom('server')
      .select('who')
      .where(sql<SqlBool>`${{ kind: 'InsertQueryNode', modifier: 'ForUpdate' }}::jsonb is not null`)
      .execute(),
  ),
  read('raw sql with a comment and parentheses', template(sql`/* insert */ ((select who from server))`)),
  read('raw text', raw('select who from server -- for update')),
  write('insert … returning', (db) => db.insertInto('note').values({ body: 'inserted' }).returning(WHO).execute()),
  write('mikro-orm#4868: insert … on conflict', (db) =>
    db
      .insertInto('note')
      .values({ body: 'upserted' })
      .onConflict((conflict) => conflict.doNothing())
      .returning(WHO)
      .execute(),
  ),
  write('update … returning', (db) =>
    db.updateTable('note').set({ body: 'first' }).where('body', '=', 'first').returning(WHO).execute(),
  ),
  write('delete … returning', async (db) => {
    await db.insertInto('note').values({ body: 'to delete' }).execute()
    return db.deleteFrom('note').where('body', '=', 'to delete').returning(WHO).execute()
  }),
  write('merge', (db) =>
    db
      .mergeInto('note')
      .using('other.note as source', 'source.body', 'note.body')
      .whenNotMatched()
      .thenInsertValues({ body: 'merged' })
      .returning(WHO)
      .execute(),
  ),
  write('a CTE, then a merge from it', (db) =>
    db
      .with('source', (creator) => creator.selectFrom('other.note').select('body'))
      .mergeInto('note')
      .using('source', 'source.body', 'note.body')
      .whenMatched()
      .thenUpdateSet({ body: 'elsewhere' })
      .whenNotMatched()
      .thenInsertValues({ body: 'elsewhere' })
      .returning(WHO)
      .execute(),
  ),
  write('select in a CTE, then an insert from it', (db) =>
    db
      .with('source', (creator) => creator.selectNoFrom(sql<string>`'from a CTE'`.as('body')))
      .insertInto('note')
      .columns(['body'])
      .expression((eb) => eb.selectFrom('source').select('body'))
      .returning(WHO)
      .execute(),
  ),
  write('drizzle-orm#4185: a CTE that inserts, under a select', (db) =>
    db
      .with('added', (creator) => creator.insertInto('note').values({ body: 'in a CTE' }).returning('id'))
      .selectFrom('added')
      .select(WHO)
      .execute(),
  ),
  write('a CTE that deletes, after one that reads', (db) =>
    db
      .with('kept', (creator) => creator.selectFrom('note').select('id'))
      .with('gone', (creator) => creator.deleteFrom('note').where('body', '=', 'nobody').returning('id'))
      .selectFrom('kept')
      .select(WHO)
      .execute(),
  ),
  write('kysely-replication: select … for update', (db) => db.selectFrom('note').select(WHO).forUpdate().execute()),
  write('select … for share skip locked', (db) => db.selectFrom('note').select(WHO).forShare().skipLocked().execute()),
  write('select … for no key update, in a subquery', (db) =>
    db
      .selectFrom((eb) => eb.selectFrom('note').select('id').forNoKeyUpdate().as('locked'))
      .select(WHO)
      .execute(),
  ),
  write('a raw end modifier', (db) => db.selectFrom('note').select(WHO).modifyEnd(sql`for key share nowait`).execute()),
  write('kysely-replication: nextval', template(sql`select nextval('note_id_seq'), who from server`)),
  write('nextval through a function builder', (db) =>
    db
      .selectFrom('server')
      .select((eb) => ['who', eb.fn<string>('nextval', [sql.lit('note_id_seq')]).as('n')])
      .execute(),
  ),
  write('kysely-replication: an advisory lock', template(sql`select pg_try_advisory_xact_lock(7), who from server`)),
  write(
    'a raw insert with a comment and a leading parenthesis',
    template(
      sql`/* select */ with a as (insert into note (body) values ('raw') returning id) (select who from server, a)`,
    ),
  ),
  write('a raw fragment that writes, with a query in it', (db) =>
    template(
      sql`with a as (${db.insertInto('note').values({ body: 'fragment' }).returning('id')}) select who from server, a`,
    )(db),
  ),
  write('schema building', async (db) => {
    await db.schema.createTable('built').ifNotExists().addColumn('id', 'integer').execute()
    await db.schema
      .alterTable('built')
      .addColumn('body', 'text', (column) => column.defaultTo('x'))
      .execute()
    await db.schema.dropTable('built').execute()
    return [{ who: 'primary' }]
  }),
  unknown('a function that nobody can see into', (db) =>
    db
      .selectFrom('server')
      .select((eb) => ['who', eb.fn<string>('count_notes', []).as('n')])
      .execute(),
  ),
]
