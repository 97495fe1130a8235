import assert from 'node:assert/strict'
import { runInScope, Scope } from '@headwater/core'
import { drizzle, readonly } from '@headwater/drizzle'
import { HeadwaterDialect } from '@headwater/kysely'
import { sql as drizzleSql, eq } from 'drizzle-orm'
import { integer, pgTable, text } from 'drizzle-orm/pg-core'
import { Kysely, sql as kyselySql } from 'kysely'
import { assertReplays } from './pool-checks.mjs'
import { WHO } from './world.mjs'

const note = pgTable('note', { id: integer().primaryKey().generatedAlwaysAsIdentity(), body: text().notNull() })
const whoDrizzle = drizzleSql.raw(WHO)
const whoKysely = kyselySql`current_setting('matrix.server')`

/** The same four deeds, said to each ORM. */
const orms = [
  {
    name: 'Kysely',
    open(pool) {
      const db = new Kysely({ dialect: new HeadwaterDialect({ pool }) })
      const insert = (handle, body) => handle.insertInto('note').values({ body }).execute()
      return {
        who: async () => (await db.selectNoFrom(whoKysely.as('who')).executeTakeFirst()).who,
        insert: (body) => insert(db, body),
        bodies: async (body) => (await db.selectFrom('note').select('id').where('body', '=', body).execute()).length,
        insertInTransaction: (body, after) =>
          db.transaction().execute(async (transaction) => {
            await insert(transaction, body)
            after()
          }),
      }
    },
  },
  {
    name: 'Drizzle',
    open(pool) {
      const db = drizzle({ client: pool, schema: { note } })
      const insert = (handle, body) => handle.insert(note).values({ body })
      return {
        who: async () => (await readonly(db).execute(whoDrizzle)).rows[0].who,
        insert: (body) => insert(db, body),
        bodies: async (body) => (await db.query.note.findMany({ where: eq(note.body, body) })).length,
        insertInTransaction: (body, after) =>
          db.transaction(async (transaction) => {
            await insert(transaction, body)
            after()
          }),
      }
    },
  },
]

export const ormChecks = orms.flatMap(({ name, open }) => [
  {
    name: `${name}: reads on the replica, writes at home, and reads its own write`,
    run: (world) =>
      world.withPool('ams', async (pool) => {
        const orm = open(pool)
        assert.equal(await orm.who(), 'replica')
        await runInScope(new Scope(), async () => {
          await orm.insert(`${name} at home`)
          assert.equal(await orm.bodies(`${name} at home`), 1)
        })
        assert.equal(await world.notes(`${name} at home`), 1)
      }),
  },
  {
    name: `${name}: a transaction commits, and one that throws rolls back`,
    run: (world) =>
      world.withPool('ams', async (pool) => {
        const orm = open(pool)
        await orm.insertInTransaction(`${name} commit`, () => undefined)
        const thrown = new Error('thrown on purpose')
        const fail = () => {
          throw thrown
        }
        await assert.rejects(orm.insertInTransaction(`${name} rollback`, fail), thrown)
        assert.equal(await world.notes(`${name} commit`), 1)
        assert.equal(await world.notes(`${name} rollback`), 0)
      }),
  },
  {
    name: `${name}: a write away becomes a replay, in a transaction too`,
    run: (world) =>
      world.withPool('nrt', async (pool) => {
        const orm = open(pool)
        await runInScope(world.request(pool), () => assertReplays(orm.insert(`${name} away`)))
        const inTransaction = () => orm.insertInTransaction(`${name} away`, () => undefined)
        await runInScope(world.request(pool), () => assertReplays(inTransaction()))
        assert.equal(await world.notes(`${name} away`), 0)
      }),
  },
])
