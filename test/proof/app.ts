import type { Server } from 'node:http'
import { headwater } from '@headwater/http/hono'
import type { RoutedPool } from '@headwater/pg'
import { createAdaptorServer } from '@hono/node-server'
import { Hono } from 'hono'
import { listen, SECRET } from '../stage.ts'

/** What one statement of a request showed, in the order in which they ran. */
export type Observation =
  | {
      readonly kind: 'read'
      readonly state: number
      readonly version: number
      /** `undefined` when there was no answer. */
      readonly node: string | undefined
      readonly isFromReplica: boolean
      /** Who wrote the last write of that state, as `client/sequence`: two histories have a state of one number each. */
      readonly author?: string | undefined
    }
  /** `serial` is `undefined` for a write that the handler rolled back. */
  | { readonly kind: 'write'; readonly serial: number | undefined }

/** How a write is sent: on its own, or in a transaction that reads first and then commits, or rolls back. */
export const WRITE_WAYS = ['statement', 'transaction', 'rollback'] as const
export type WriteWay = (typeof WRITE_WAYS)[number]

/**
 * `standing` hides in a view what is node-local: named in the statement itself, it would go to the primary (R2).
 *
 * Whoever writes takes the next number from `clock`, and with it a lock that is held until the commit.
 */
export const SCHEMA = `
  create table clock (n int not null, author text not null);
  insert into clock values (0, '');
  create table register (key int primary key, version int not null);
  create table log (serial int primary key, key int not null, client int not null, sequence int not null);
  create table half (client int not null, sequence int not null, part int not null);
  create table noise (id int primary key generated always as identity, body text);
  create view standing as
    select n as state, author, current_setting('cluster_name') as node, pg_is_in_recovery() as is_replica from clock;
`

const READ = `
  select standing.state, standing.author, standing.node, standing.is_replica, register.version
  from standing, register where register.key = $1`

const WRITE = `
  with tick as (update clock set n = n + 1, author = format('%s/%s', $2::int, $3::int) returning n),
       put as (update register set version = tick.n from tick where register.key = $1)
  insert into log (serial, key, client, sequence) select n, $1, $2, $3 from tick returning serial`

/** A transaction has each of these, or neither. */
const HALF = 'insert into half (client, sequence, part) values ($1, $2, $3)'

export interface ProofAppOptions {
  readonly pool: RoutedPool
  readonly trackReads: 'always' | 'with-token'
  /** Runs each handler, to count those that never end, or to give them a clock of their own. Default: just runs it. */
  readonly around?: ((handle: () => Promise<void>) => Promise<void>) | undefined
}

/** On an error answer: whether the error says that it may be tried again, so that nothing was done. */
export const RETRYABLE_HEADER = 'proof-retryable'

/** The app under proof: reads and writes keys, and has no idea of regions. */
export function startProofApp({ pool, trackReads, around }: ProofAppOptions): Promise<Server> {
  const app = new Hono()
  if (around !== undefined) app.use((_context, next) => around(next))
  app.use(headwater({ pool, secret: SECRET, token: { trackReads } }))
  app.get('/keys/:key', async (context) => {
    const seen: Observation[] = []
    for (let times = Number(context.req.query('times')); times > 0; times -= 1) {
      seen.push(await read(pool, Number(context.req.param('key'))))
    }
    return context.json(seen)
  })
  app.post('/keys/:key', async (context) => {
    const { client, sequence, way, times } = context.req.query()
    const key = Number(context.req.param('key'))
    const values = [key, Number(client), Number(sequence)]
    const seen = way === 'statement' ? [await writeAlone(pool, values)] : await writeInTransaction(pool, values, way)
    for (let left = Number(times); left > 0; left -= 1) seen.push(await read(pool, key))
    return context.json(seen)
  })
  // Hono's own would print each; ours know what they say to a client.
  app.onError((error, context) => {
    const isRetryable = 'retryable' in error && error.retryable === true
    if (isRetryable) context.header(RETRYABLE_HEADER, 'true')
    if ('getResponse' in error && typeof error.getResponse === 'function') {
      const response: Response = error.getResponse()
      if (isRetryable) response.headers.set(RETRYABLE_HEADER, 'true')
      return response
    }
    const code = 'code' in error ? String(error.code) : error.name
    return context.text(`${code}: ${error.message}`, 500)
  })
  const server = createAdaptorServer(app) as Server
  // On a busy machine a connection that rests for 5 s may be closed just as the proxy uses it: that is a 502.
  server.keepAliveTimeout = 60_000
  return listen(server)
}

/** What both a pool and one of its connections are. */
interface Queryable {
  query(text: string, values: unknown[]): Promise<{ rows: unknown[] }>
}

async function read(database: Queryable, key: number): Promise<Observation> {
  const { rows } = await database.query(READ, [key])
  const row = rows[0] as { state: number; author: string; node: string; is_replica: boolean; version: number }
  const { state, version, node, author } = row
  return { kind: 'read', state, version, node, author, isFromReplica: row.is_replica }
}

async function writeAlone(database: Queryable, values: number[]): Promise<Observation> {
  const { rows } = await database.query(WRITE, values)
  return { kind: 'write', serial: (rows[0] as { serial: number }).serial }
}

async function writeInTransaction(pool: RoutedPool, values: number[], way: string | undefined): Promise<Observation[]> {
  const client = await pool.connect()
  try {
    await client.query('begin')
    const before = await read(client, values[0] ?? 0)
    // The write between the halves: whichever of the three is committed without the others shows.
    await client.query(HALF, [values[1], values[2], 1])
    const written = await writeAlone(client, values)
    await client.query(HALF, [values[1], values[2], 2])
    await client.query(way === 'rollback' ? 'rollback' : 'commit')
    return [before, way === 'rollback' ? { kind: 'write', serial: undefined } : written]
  } catch (error) {
    await client.query('rollback').catch(() => undefined)
    throw error
  } finally {
    client.release()
  }
}
