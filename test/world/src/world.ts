import { type Cluster, type Replica, startCluster } from '@headwater/cluster'
import { RoutedPool, type RoutedPoolOptions } from '@headwater/pg'
import pg from 'pg'
import { untilCatalogIsRead } from './until-catalog-is-read.ts'

/** Where an app instance stands; the primary is in ams. */
export type Region = 'ams' | 'nrt'

/** What {@link World.start} takes. */
export interface WorldOptions {
  /** The names of the replicas. Default: one, `nrt`. */
  readonly replicas?: readonly string[]
  /** SQL that a suite adds to the tables of the world. Default: nothing. */
  readonly schema?: string
}

const SCHEMA = `
  create view server as select current_setting('cluster_name') as who, pg_is_in_recovery() as is_standby,
    pg_backend_pid() as pid, current_setting('transaction_isolation') as isolation,
    current_setting('transaction_read_only') as read_only;
  create table note (id int primary key generated always as identity, body text not null);
  create function write_note(text) returns int language sql as 'insert into note (body) values ($1) returning id';
  create function known_to_the_catalog() returns int language sql stable as 'select 1';
  create function count_notes() returns bigint language sql stable as 'select count(*) from note';
`

/** That the answer differs from server to server is why the tests ask: the app's own word is that it reads. */
const SERVER = { server: 'read' } as const
/** Tried on a standby, as what nobody can see into; the catalog would know better. */
const TRIED = { write_note: 'unknown', count_notes: 'unknown' } as const
const END_MILLIS = 2000

/** A primary in ams and replicas in nrt, with a table of notes; every test file has its own. */
export class World {
  readonly cluster: Cluster
  /** A bare pool at the primary, for what the test itself must know. */
  readonly admin: pg.Pool
  readonly #pools: pg.Pool[] = []

  private constructor(cluster: Cluster) {
    this.cluster = cluster
    this.admin = this.ending(new pg.Pool({ connectionString: cluster.primary.url, max: 2 }))
    this.admin.on('error', () => undefined)
  }

  static async start({ replicas = ['nrt'], schema = '' }: WorldOptions = {}): Promise<World> {
    const world = new World(await startCluster({ replicas, settings: { max_connections: '300' } }))
    try {
      await world.change(SCHEMA + schema)
      return world
    } catch (error) {
      await world[Symbol.asyncDispose]()
      throw error
    }
  }

  /**
   * A replica, by its place.
   *
   * @throws when there is none.
   */
  replica(index = 0): Replica {
    const found = this.cluster.replicas[index]
    if (found === undefined) throw new Error(`the world has no replica ${index}`)
    return found
  }

  /** Runs SQL at the primary, and waits until the replicas have it too. */
  async change(sql: string): Promise<void> {
    await this.admin.query(sql)
    await this.cluster.waitUntilCaughtUp()
  }

  /** The pool of an app instance in `region`, ended with the world; it reads the catalog at its first statement. */
  pool(region: Region, { functions = TRIED, ...options }: RoutedPoolOptions = {}): RoutedPool {
    return this.ending(
      new RoutedPool({
        region,
        primary: { region: 'ams', connectionString: this.cluster.primary.url },
        replicas: this.cluster.replicas.map(({ url }) => ({ region, connectionString: url })),
        connectionTimeoutMillis: 2000,
        functions: { ...SERVER, ...functions },
        // It says nothing, and asks no server for its survey: tests count connections.
        logger: false,
        ...options,
      }),
    )
  }

  /** Such a pool, once it goes by the catalog, unless the options turn that off. */
  async informedPool(region: Region, options?: RoutedPoolOptions): Promise<RoutedPool> {
    const pool = this.pool(region, options)
    if (options?.catalog !== false) await untilCatalogIsRead(pool)
    return pool
  }

  /** How many notes of this text the primary has. */
  async notes(body: string): Promise<number> {
    const { rows } = await this.admin.query<{ count: number }>(
      'select count(*)::int as count from note where body = $1',
      [body],
    )
    return rows[0]?.count ?? -1
  }

  /** Has a pool end with the world, if nobody has ended it before. */
  ending<Pool extends pg.Pool>(pool: Pool): Pool {
    this.#pools.push(pool)
    return pool
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // A failed test may hold a client for ever; its server's end is its end.
    const ended = Promise.allSettled(this.#pools.filter((pool) => !pool.ending).map((pool) => pool.end()))
    await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, END_MILLIS).unref())])
    await this.cluster.stop()
  }
}
