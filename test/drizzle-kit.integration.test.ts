import { createRequire } from 'node:module'
import { withPrimary } from '@headwater/core'
import { drizzle } from '@headwater/drizzle'
import { World } from '@headwater/test-world'
import { integer, pgSchema, text } from 'drizzle-orm/pg-core'
import { afterAll, beforeAll, expect, test } from 'vitest'

// Its ESM build cannot be loaded: it calls require.
type Kit = typeof import('drizzle-kit/api')
const { pushSchema }: Kit = createRequire(import.meta.url)('drizzle-kit/api')

let world: World
beforeAll(async () => {
  world = await World.start()
})
afterAll(() => world[Symbol.asyncDispose]())

const kit = pgSchema('kit')
const first = { kit, pushed: kit.table('pushed', { id: integer().primaryKey() }) }
const second = { kit, pushed: kit.table('pushed', { id: integer().primaryKey(), body: text() }) }

test('drizzle-kit’s pushSchema is right inside withPrimary, however late the replica', async () => {
  const database = drizzle(world.pool('ams'))
  type Pushed = Parameters<Kit['pushSchema']>[1]
  /** Pushes a schema, and tells what had to be done. */
  const push = (schema: Record<string, unknown>): Promise<string[]> =>
    withPrimary(async () => {
      const { statementsToExecute, apply } = await pushSchema(schema, database as unknown as Pushed, ['kit'])
      await apply()
      return statementsToExecute
    })
  await world.replica().pauseReplay()
  try {
    expect(await push(first)).toEqual([
      expect.stringContaining('CREATE SCHEMA'),
      expect.stringContaining('CREATE TABLE'),
    ])
    expect(await push(first)).toEqual([])
    expect(await push(second)).toEqual([expect.stringContaining('ADD COLUMN')])
    expect(await push(second)).toEqual([])
  } finally {
    await world.replica().resumeReplay()
  }
  const { rows } = await world.admin.query(
    `select column_name from information_schema.columns where table_name = 'pushed'`,
  )
  expect(rows.map(({ column_name }) => column_name)).toEqual(['id', 'body'])
})
