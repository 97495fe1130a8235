import { type Cluster, startCluster } from '@headwater/cluster'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { run } from './run.ts'

let cluster: Cluster

beforeAll(async () => {
  cluster = await startCluster({ replicas: [] })
  await cluster.primary.query('create table log (body text)')
  await cluster.primary.query("create function reads() returns int language sql as 'select 1'")
  await cluster.primary.query("create function writes() returns void language sql as 'delete from log'")
})

afterAll(async () => {
  await cluster?.stop()
})

it('--schema-url reads the functions of a database', async () => {
  const explain = async (sql: string) => run(['explain', '--schema-url', cluster.primary.url, '--assert', 'read', sql])
  expect(await explain('select reads()')).toMatchObject({ status: 0, errors: '' })
  const { status, output } = await explain('select writes()')
  expect(status).toBe(1)
  expect(output).toMatch(/^write \(writing-function\)/)
})

it('--schema-url that is refused ends with 2 and prints the server’s error', async () => {
  const url = cluster.primary.url.replace(/\/postgres$/, '/no_such_database')
  const { status, errors } = await run(['explain', '--schema-url', url, 'select 1'])
  expect(status).toBe(2)
  expect(errors).toContain('no_such_database')
})
