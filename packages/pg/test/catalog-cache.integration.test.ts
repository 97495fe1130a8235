import { createClassifier } from '@headwater/core/internal'
import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { CatalogCache } from '../src/catalog/cache.ts'
import { readCatalog } from '../src/catalog/load.ts'
import { openOwnConnection } from '../src/driver/own-connection.ts'
import { CatalogWorld } from './catalog-world.ts'

let world: CatalogWorld

beforeAll(async () => {
  world = await CatalogWorld.start("create function f() returns int language sql as 'select 1'")
})

afterAll(async () => {
  await world?.[Symbol.asyncDispose]()
})

it('follows a function that learns to write, after the standby has refused it', async () => {
  const classifier = createClassifier()
  let clock = 0
  const cache = new CatalogCache({
    read: readCatalog,
    open: (signal) => openOwnConnection([world.standby, world.primary], signal),
    onKnowledge: (knowledge) => classifier.learn(knowledge),
    now: () => clock,
  })
  try {
    expect(classifier.classify('select f()').access).toBe('unknown')
    cache.touch()
    await expect.poll(() => classifier.classify('select f()').access).toBe('read')
    await world.primary.query(
      "create or replace function f() returns int language sql as 'insert into log (body) values (1) returning id'",
    )
    await world.judge('select f()', 'read', 'refuses')
    clock = 6000
    cache.doubt()
    await expect.poll(() => classifier.classify('select f()').access).toBe('write')
  } finally {
    await cache.end()
  }
})

it('takes the next server when the nearest is away, and leaves no session behind', async () => {
  const away = new pg.Pool({ host: '127.0.0.1', port: 1 })
  const { signal } = new AbortController()
  const connection = await openOwnConnection([away, world.primary], signal)
  const { rows } = await connection.query('select pg_backend_pid() as pid')
  await connection.end()
  const [{ pid }] = rows as [{ pid: number }]
  await expect
    .poll(async () => (await world.primary.query('select from pg_stat_activity where pid = $1', [pid])).rowCount)
    .toBe(0)
  await expect(openOwnConnection([away], signal)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  await away.end()
})
