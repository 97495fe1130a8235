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

/** What runs pushSchema: the process as it is (R9), or the app's own word, which holds also for what another process has pushed. */
const WAYS: Readonly<Record<string, (push: () => Promise<string[]>) => Promise<string[]>>> = {
  'outside any scope': (push) => push(),
  'inside withPrimary': (push) => withPrimary(push),
}

test.each(Object.keys(WAYS))('R9: drizzle-kit’s pushSchema %s is right, however late the replica', async (way) => {
  const name = `kit_${way.replaceAll(' ', '_')}`
  const kit = pgSchema(name)
  const first = { kit, pushed: kit.table('pushed', { id: integer().primaryKey() }) }
  const second = { kit, pushed: kit.table('pushed', { id: integer().primaryKey(), body: text() }) }
  const database = drizzle(world.pool('ams'))
  type Pushed = Parameters<Kit['pushSchema']>[1]
  /** Pushes a schema, and tells what had to be done. */
  const push = async (schema: Record<string, unknown>): Promise<string[]> => {
    const run = async (): Promise<string[]> => {
      const { statementsToExecute, apply } = await pushSchema(schema, database as unknown as Pushed, [name])
      await apply()
      return statementsToExecute
    }
    return (await WAYS[way]?.(run)) ?? []
  }
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
    `select column_name from information_schema.columns where table_schema = $1 order by ordinal_position`,
    [name],
  )
  expect(rows.map(({ column_name }) => column_name)).toEqual(['id', 'body'])
})
