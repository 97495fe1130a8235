import { createRequire } from 'node:module'
import { World } from '@headwater/test-world'
import type pg from 'pg'
import Cursor from 'pg-cursor'
import QueryStream from 'pg-query-stream'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { takeIdle } from '../src/driver/idle-client.ts'
import {
  type CancelConnection,
  type ClientInternals,
  forgetPending,
  internalsOf,
  type PoolInternals,
  poolInternalsOf,
  type QueryInternals,
  type SubmittableInternals,
  submittableInternalsOf,
} from '../src/driver/pg-internals.ts'

/** The releases that the peer range promises, at its ends and between; `pg` is the one that all other tests run on. */
const RELEASES = {
  'pg-8.21': '8.21.0',
  'pg-8.22': '8.22.0',
  'pg-8.23': '8.23.1',
  pg: undefined,
} as const

/** From which release on a connected client has each of these, and of what kind. A new member must be listed here. */
const CLIENT: Readonly<Record<keyof ClientInternals, { readonly kind: string; readonly since?: number }>> = {
  processID: { kind: 'number' },
  secretKey: { kind: 'number' },
  connectionParameters: { kind: 'object' },
  host: { kind: 'string' },
  port: { kind: 'number' },
  connection: { kind: 'object' },
  readyForQuery: { kind: 'boolean' },
  pipeline: { kind: 'boolean', since: 23 },
  ref: { kind: 'function' },
  unref: { kind: 'function' },
  query: { kind: 'function' },
  _handleReadyForQuery: { kind: 'function' },
}
/** What a connection has for a request to cancel, beyond pg's types. */
const CANCEL: Readonly<
  Record<Exclude<keyof CancelConnection, keyof pg.Connection>, { readonly kind: string; readonly since?: number }>
> = {
  ssl: { kind: 'boolean' },
  sslNegotiation: { kind: 'string', since: 22 },
  connect: { kind: 'function' },
  requestSsl: { kind: 'function' },
  cancel: { kind: 'function' },
}
const POOL: Readonly<Record<keyof PoolInternals, string>> = {
  ending: 'boolean',
  ended: 'boolean',
  _pendingQueue: 'object',
  _clients: 'object',
  _idle: 'object',
  _acquireClient: 'function',
}
/** The fields of a query that was made of a configuration with all of them. */
const QUERY: Readonly<Record<keyof QueryInternals, string>> = {
  text: 'string',
  values: 'object',
  name: 'string',
  types: 'object',
  rows: 'number',
  binary: 'boolean',
  queryMode: 'string',
  // pg reads it when the query is sent; its constructor does not copy it.
  query_timeout: 'undefined',
  portal: 'string',
  callback: 'function',
  _rowMode: 'string',
  _result: 'object',
  _results: 'object',
  _canceledDueToError: 'boolean',
  _accumulateRows: 'undefined',
  submit: 'function',
  requiresPreparation: 'function',
  prepare: 'function',
  _getRows: 'function',
  handleRowDescription: 'function',
  handleDataRow: 'function',
  handleCommandComplete: 'function',
  handleReadyForQuery: 'function',
  handleError: 'function',
}
const SUBMITTABLES: Readonly<
  Record<'query' | 'cursor' | 'stream', Readonly<Record<keyof SubmittableInternals, string>>>
> = {
  query: { text: 'string', cursor: 'undefined', destroyed: 'undefined', callback: 'function', handleError: 'function' },
  cursor: {
    text: 'string',
    cursor: 'undefined',
    destroyed: 'undefined',
    callback: 'undefined',
    handleError: 'function',
  },
  stream: { text: 'undefined', cursor: 'object', destroyed: 'boolean', callback: 'undefined', handleError: 'function' },
}

const require = createRequire(import.meta.url)
const settle = (): undefined => undefined

let world: World

beforeAll(async () => {
  world = await World.start({
    schema: "create view session as select current_setting('default_transaction_read_only') as is_on;",
  })
})
afterAll(async () => {
  await world[Symbol.asyncDispose]()
})

function kindsOf(target: object, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, typeof Reflect.get(target, name)]))
}

describe.each(Object.entries(RELEASES))('R10: %s has what is used of it', (alias, version) => {
  const driver = require(alias) as typeof pg
  const { version: installed } = require(`${alias}/package.json`) as { readonly version: string }
  const minor = Number(installed.split('.')[1])
  const opened: { end(): Promise<void> }[] = []

  afterEach(async () => {
    vi.doUnmock('pg')
    vi.resetModules()
    await Promise.all(opened.splice(0).map((one) => one.end()))
  })

  async function connect(config: pg.ClientConfig = {}): Promise<pg.Client> {
    const client = new driver.Client({ connectionString: world.cluster.primary.url, ...config })
    opened.push(client)
    await client.connect()
    return client
  }

  test('is the release that it stands for', () => {
    expect(installed).toMatch(version ?? /^8\.\d+\.\d+$/)
    expect(minor).toBeGreaterThanOrEqual(21)
  })

  test('a connected client', async () => {
    const client = await connect()
    const expectedOf = (members: Readonly<Record<string, { readonly kind: string; readonly since?: number }>>) =>
      Object.fromEntries(
        Object.entries(members).map(([name, { kind, since = 0 }]) => [name, minor < since ? 'undefined' : kind]),
      )
    expect(kindsOf(client, Object.keys(CLIENT))).toEqual(expectedOf(CLIENT))
    expect(kindsOf(client.connection, Object.keys(CANCEL))).toEqual(expectedOf(CANCEL))
    const { rows } = await client.query('select pg_backend_pid() as pid')
    expect(internalsOf(client).processID).toBe(rows[0].pid)
    expect(internalsOf(client).connectionParameters).toHaveProperty('options')
  })

  test('its handler of ReadyForQuery is called once for each query, with the state of the transaction', async () => {
    const seen: unknown[] = []
    class Heard extends driver.Client {
      _handleReadyForQuery(message: { readonly status?: unknown }): void {
        seen.push(message.status)
        internalsOf(driver.Client.prototype)._handleReadyForQuery.call(this, message)
      }
    }
    const client = new Heard({ connectionString: world.cluster.primary.url })
    opened.push(client)
    await client.connect()
    await client.query('begin')
    await client.query('nonsense').catch(settle)
    await client.query('rollback')
    expect(seen).toEqual(['I', 'T', 'E', 'I'])
    expect(internalsOf(client).readyForQuery).toBe(true)
    const running = client.query('select 1')
    expect(internalsOf(client).readyForQuery).toBe(false)
    await running
  })

  test('what is added to its startup options reaches the server, and what the server reports is heard', async () => {
    const reported = new Map<string, string>()
    const client = new driver.Client({ connectionString: world.cluster.primary.url, options: '-c work_mem=7MB' })
    opened.push(client)
    const parameters = internalsOf(client).connectionParameters
    parameters.options = `${parameters.options} -c default_transaction_read_only=on`
    client.connection.on('parameterStatus', (message: { parameterName: string; parameterValue: string }) => {
      reported.set(message.parameterName, message.parameterValue)
    })
    await client.connect()
    const { rows } = await client.query("select current_setting('work_mem') as memory")
    expect(rows).toEqual([{ memory: '7MB' }])
    expect(reported.get('default_transaction_read_only')).toBe('on')
    expect(reported.get('in_hot_standby')).toBe('off')
  })

  test('the connection tells of its own end, and of a refused startup', async () => {
    const client = new driver.Client({ connectionString: world.cluster.primary.url, options: '-c no_such_setting=1' })
    const heard: unknown[] = []
    client.connection.on('errorMessage', (error: { code?: unknown }) => heard.push(error.code))
    const ended = new Promise((resolve) => client.connection.once('end', resolve))
    await expect(client.connect()).rejects.toMatchObject({ code: '42704' })
    expect(heard).toEqual(['42704'])
    await ended
    await client.end()
  })

  test('a pool, and the callers that wait for its connections', async () => {
    const pool = new driver.Pool({ connectionString: world.cluster.primary.url, max: 1, connectionTimeoutMillis: 200 })
    opened.push(pool)
    expect(kindsOf(pool, Object.keys(POOL))).toEqual(POOL)
    const client = await pool.connect()
    // Callers are told with these words, and no code, that all places are taken.
    await expect(pool.connect()).rejects.toThrow(/^timeout exceeded when trying to connect$/)
    const waiting: unknown[] = []
    pool.connect((error) => waiting.push(error))
    expect(poolInternalsOf(pool)._pendingQueue).toHaveLength(1)
    forgetPending(pool)
    expect(pool.waitingCount).toBe(0)
    client.release()
    await pool.query('select 1')
    expect(waiting).toEqual([])
  })

  test('a pool, and its connections that are free', async () => {
    const pool = new driver.Pool({ connectionString: world.cluster.primary.url, max: 1, idleTimeoutMillis: 50 })
    opened.push(pool)
    expect(takeIdle(pool)).toBeUndefined()
    await pool.query('select 1')
    expect(kindsOf(poolInternalsOf(pool)._idle?.[0] ?? {}, ['client', 'idleListener', 'timeoutId'])).toEqual({
      client: 'object',
      idleListener: 'function',
      timeoutId: 'object',
    })
    const acquired = vi.fn()
    pool.on('acquire', acquired)
    const client = takeIdle(pool)
    expect([acquired.mock.calls, pool.idleCount, pool.totalCount]).toEqual([[[client]], 0, 1])
    const next = pool.connect()
    // Its time as an idle one is over: it is not closed under its holder.
    await new Promise((resolve) => setTimeout(resolve, 60))
    expect((await client?.query('select 1 as n'))?.rows).toEqual([{ n: 1 }])
    client?.release()
    expect(await next).toBe(client)
    client?.release()
    expect(() => client?.release()).toThrow(/already been released/)
    // Who has put something around `connect` sees each call.
    const { connect } = pool
    pool.connect = ((...given: never[]) => Reflect.apply(connect, pool, given)) as typeof connect
    expect(takeIdle(pool)).toBeUndefined()
    expect(pool.idleCount).toBe(1)
  })

  test('a query', () => {
    const config = { text: 'select $1', name: 'a', values: [1], rowMode: 'array', queryMode: 'extended' }
    const all = { ...config, types: driver.types, binary: true, portal: 'p', rows: 1, query_timeout: 5 }
    const Query = driver.Query as unknown as new (...given: unknown[]) => object
    expect(kindsOf(new Query(all, undefined, settle), Object.keys(QUERY))).toEqual(QUERY)
  })

  test('a query, a cursor and a stream, as queries that send themselves', async () => {
    const text = 'select generate_series(1, 3) as n'
    const client = await connect()
    const Query = driver.Query as unknown as new (...given: unknown[]) => pg.Submittable
    const { query, cursor, stream } = {
      query: new Query(text, undefined, settle),
      cursor: new Cursor<{ n: number }>(text),
      stream: new QueryStream(text),
    }
    const kinds = Object.entries({ query, cursor, stream }).map(([name, submittable]) => [
      name,
      kindsOf(submittable, Object.keys(SUBMITTABLES.query)),
    ])
    expect(Object.fromEntries(kinds)).toEqual(SUBMITTABLES)
    expect(submittableInternalsOf(stream).cursor?.text).toBe(text)
    client.query(cursor)
    expect(await cursor.read(10)).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }])
    await cursor.close()
    client.query(stream)
    const rows: unknown[] = []
    for await (const row of stream) rows.push(row)
    expect(rows).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }])
  })

  test('a time-out of its own is told with these words, and leaves the query running', async () => {
    const client = await connect({ query_timeout: 50 })
    await expect(client.query('select pg_sleep(0.3)')).rejects.toThrow(/^Query read timeout$/)
    expect(internalsOf(client).readyForQuery).toBe(false)
  })

  test('a RoutedPool runs on it: reads at the replica, read-only from the start, and writes at the primary', async () => {
    vi.doMock('pg', () => ({ ...driver, default: driver }))
    const { RoutedPool } = await import('../src/index.ts')
    const { toSentQuery } = await import('../src/driver/sent-query.ts')
    const [replica] = world.cluster.replicas
    const pool = new RoutedPool({
      primary: { connectionString: world.cluster.primary.url },
      replicas: [{ connectionString: replica?.url }],
      catalog: false,
      logger: false,
    })
    opened.push(pool)
    // The class is made of this very release, and knows all the fields of its queries.
    expect(toSentQuery({}, { text: 'select 1' }, undefined, settle)).toBeInstanceOf(driver.Query)
    expect((await pool.query('select who, is_on from server, session')).rows).toEqual([{ who: 'nrt', is_on: 'on' }])
    const client = await pool.connect()
    await client.query('begin')
    await client.query('create temporary table t (n int)')
    expect((await client.query({ text: 'insert into t values ($1) returning n', values: [1] })).rows).toEqual([
      { n: 1 },
    ])
    await client.query('rollback')
    client.release()
    const cursor = pool.query(new Cursor<{ n: number }>('select 1 as n'))
    expect(await cursor.read(2)).toEqual([{ n: 1 }])
    await cursor.close()
    await expect.poll(() => pool.idleCount).toBe(pool.totalCount)
  })
})
