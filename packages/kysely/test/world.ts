import { type Cluster, startCluster } from '@headwater/cluster'
import { currentScope, ReplayToPrimary, runInScope, Scope } from '@headwater/core'
import { RoutedPool, type RoutedPoolOptions } from '@headwater/pg'
import { type Generated, Kysely, type KyselyConfig } from 'kysely'
import pg from 'pg'
import Cursor from 'pg-cursor'
import { HeadwaterDialect, type HeadwaterDialectOptions } from '../src/index.ts'

export interface Database {
  note: { id: Generated<number>; body: string }
  /** Which server answers. */
  server: { who: string; is_standby: boolean; pid: number; isolation: string }
  'other.note': { id: Generated<number>; body: string }
}

/** The view hides from the text that it asks for what is node-local: a read like any other, to the classifier. */
const SCHEMA = `
  create view server as
    select current_setting('cluster_name') as who, pg_is_in_recovery() as is_standby, pg_backend_pid() as pid,
      current_setting('transaction_isolation') as isolation;
  create table note (id int primary key generated always as identity, body text not null);
  create function write_note(text) returns int language sql as 'insert into note (body) values ($1) returning id';
  create function count_notes() returns bigint language sql stable as 'select count(*) from note';
  create schema other;
  create table other.note (id int primary key generated always as identity, body text not null);
  insert into note (body) values ('first'), ('second'), ('third');
  insert into other.note (body) values ('elsewhere');
`

/** Where the app instance stands, and how its code runs. */
export const SETTINGS = [
  { setting: 'at home', region: 'ams', isRequest: false, write: 'primary', unknown: 'primary' },
  { setting: 'away, in a request', region: 'nrt', isRequest: true, write: 'replay', unknown: 'nrt' },
  { setting: 'away, outside a request', region: 'nrt', isRequest: false, write: 'primary', unknown: 'nrt' },
] as const

export type Setting = (typeof SETTINGS)[number]

/** An app instance: its database, and how a request to it runs. */
export interface App {
  readonly db: Kysely<Database>
  readonly pool: RoutedPool
  /** Runs as the setting says; a replay gives `'replay'`, any other error is thrown. */
  run<Result>(use: () => Promise<Result>): Promise<Result | 'replay'>
}

/** A primary in ams and a replica in nrt; every test file has its own. */
export class World {
  readonly cluster: Cluster
  readonly admin: pg.Pool
  readonly #ends: (() => Promise<unknown>)[] = []

  private constructor(cluster: Cluster) {
    this.cluster = cluster
    this.admin = new pg.Pool({ connectionString: cluster.primary.url, max: 2 })
    this.admin.on('error', () => undefined)
    this.#ends.push(() => this.admin.end())
  }

  static async start(): Promise<World> {
    const world = new World(await startCluster({ replicas: ['nrt'] }))
    await world.admin.query(SCHEMA)
    await world.cluster.waitUntilCaughtUp()
    return world
  }

  pool(region: 'ams' | 'nrt', options: RoutedPoolOptions = {}): RoutedPool {
    const pool = new RoutedPool({
      region,
      primary: { region: 'ams', connectionString: this.cluster.primary.url },
      // The view `server` hides that it asks for what is node-local; the catalog would see through it.
      catalog: false,
      functions: { count_notes: 'unknown', write_note: 'unknown' },
      replicas: this.cluster.replicas.map(({ url }) => ({ region, connectionString: url })),
      connectionTimeoutMillis: 2000,
      ...options,
    })
    this.#ends.push(() => (pool.ending ? Promise.resolve() : pool.end()))
    return pool
  }

  app(
    { region, isRequest }: Pick<Setting, 'region' | 'isRequest'>,
    options: Partial<HeadwaterDialectOptions> = {},
    config: Omit<KyselyConfig, 'dialect'> = {},
  ): App {
    const pool = this.pool(region)
    const dialect = new HeadwaterDialect({ pool, cursor: Cursor, ...options })
    const db = new Kysely<Database>({ ...config, dialect })
    const run = async <Result>(use: () => Promise<Result>): Promise<Result | 'replay'> => {
      if (!isRequest) return use()
      return runInScope(new Scope({ kind: 'request', topology: () => pool.topology }), async () => {
        try {
          return await use()
        } catch (error) {
          // It surfaces as itself, in no wrapper.
          if (error instanceof ReplayToPrimary && error === currentScope()?.replay) return 'replay'
          throw error
        }
      })
    }
    return { db, pool, run }
  }

  async notes(body: string): Promise<number> {
    const { rows } = await this.admin.query('select count(*)::int as count from note where body = $1', [body])
    return rows[0].count
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // A failed test may hold a client for ever; its server's end is its end.
    const ended = Promise.allSettled(this.#ends.map((end) => end()))
    await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 2000).unref())])
    await this.cluster.stop()
  }
}

/** Gives the error that a promise is rejected with. */
export async function errorOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  )
}
