import { drizzle } from '@headwater/drizzle'
import { HeadwaterDialect } from '@headwater/kysely'
import type { RoutedPool } from '@headwater/pg'
import { FrontendTap, World } from '@headwater/test-world'
import { sql as drizzleSql } from 'drizzle-orm'
import { Kysely, sql as kyselySql, type TransactionBuilder } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

// Each word of letters is what was sent up to one answer: P for Parse, B for Bind, D for Describe, E for Execute, S for Sync, Q for Query.

let world: World
let tap: FrontendTap
let pool: RoutedPool
beforeAll(async () => {
  world = await World.start({ schema: 'create table item (n int)' })
  tap = await FrontendTap.open(world.cluster.primary)
  const primary = { region: 'ams', connectionString: tap.url }
  pool = world.pool('ams', { max: 1, catalog: false, prepare: false, primary, replicas: [] })
  await pool.query('select 1')
})
afterAll(async () => {
  await pool?.end()
  await tap?.[Symbol.asyncDispose]()
  await world?.[Symbol.asyncDispose]()
})

const AS_THEY_WERE_ASKED = 'PBEPBDES PBDES Q'

describe('S2: a transaction of two statements takes three round trips', () => {
  type Begin = (db: Kysely<unknown>) => TransactionBuilder<unknown>
  const BEGINS: readonly (readonly [what: string, begin: Begin])[] = [
    ['begin', (db) => db.transaction()],
    ['serializable', (db) => db.transaction().setIsolationLevel('serializable')],
    ['read only', (db) => db.transaction().setIsolationLevel('repeatable read').setAccessMode('read only')],
  ]
  it.each(BEGINS)('of Kysely: %s', async (_what, begin) => {
    const db = new Kysely<unknown>({ dialect: new HeadwaterDialect({ pool }) })
    tap.take()
    await begin(db).execute(async (tx) => {
      await kyselySql`select n from item where n = ${1}`.execute(tx)
      await kyselySql`select n from item where n = ${2}`.execute(tx)
    })
    expect(tap.take()).toBe(AS_THEY_WERE_ASKED)
  })

  it.each([
    ['begin', undefined],
    ['serializable', { isolationLevel: 'serializable' }],
    ['deferrable', { isolationLevel: 'serializable', accessMode: 'read only', deferrable: true }],
  ] as const)('of Drizzle: %s', async (_what, config) => {
    tap.take()
    await drizzle({ client: pool }).transaction(async (tx) => {
      await tx.execute(drizzleSql`select n from item where n = ${1}`)
      await tx.execute(drizzleSql`select n from item where n = ${2}`)
    }, config)
    expect(tap.take()).toBe(AS_THEY_WERE_ASKED)
  })
})
