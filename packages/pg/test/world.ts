import { type Cluster, startCluster } from '@headwater/cluster'
import { Scope } from '@headwater/core'
import pg from 'pg'
import { RoutedPool, type RoutedPoolOptions } from '../src/index.ts'

/** The view hides from the text that it asks for what is node-local: a read like any other, to the classifier. */
const SCHEMA = `
  create view server as select current_setting('cluster_name') as who, pg_is_in_recovery() as is_standby;
  create view session as select current_setting('default_transaction_read_only') as is_on, current_setting('work_mem') as memory,
    current_setting('transaction_isolation') as isolation;
  create table note (id int primary key generated always as identity, body text not null);
  create function write_note(text) returns int language sql as 'insert into note (body) values ($1) returning id';
  create function count_notes() returns bigint language sql stable as 'select count(*) from note';
  create function write_deeply(text) returns int language plpgsql as 'begin return write_note($1); end';
  create view writing_view as select write_note('through a view') as id;
`

/** Which server answered, asked of the server: `primary`, or the name of a replica. */
export const WHO = 'select who from server'

/** A primary in ams and a replica in nrt, with a table of notes; every test file has its own. */
export class World {
  readonly cluster: Cluster
  readonly #pools: { end(): Promise<void> }[] = []

  private constructor(cluster: Cluster) {
    this.cluster = cluster
  }

  static async start(replicas: readonly string[] = ['nrt']): Promise<World> {
    const world = new World(await startCluster({ replicas }))
    await world.admin.query(SCHEMA)
    await world.cluster.waitUntilCaughtUp()
    return world
  }

  #admin: pg.Pool | undefined

  /** A bare pool at the primary, for what the test itself must know. */
  get admin(): pg.Pool {
    if (this.#admin === undefined) {
      this.#admin = new pg.Pool({ connectionString: this.cluster.primary.url, max: 2 })
      this.#admin.on('error', () => undefined)
      this.#pools.push(this.#admin)
    }
    return this.#admin
  }

  /** The pool of an app instance in `region`, ended with the world. */
  pool(region: 'ams' | 'nrt', options: RoutedPoolOptions = {}): RoutedPool {
    const pool = new RoutedPool({
      region,
      primary: { region: 'ams', connectionString: this.cluster.primary.url },
      replicas: this.cluster.replicas.map((replica) => ({ region, connectionString: replica.url })),
      connectionTimeoutMillis: 2000,
      catalog: false,
      // Without a catalog, only what the app itself calls unknown is tried on a standby.
      functions: { count_notes: 'unknown', write_note: 'unknown', write_deeply: 'unknown' },
      ...options,
    })
    this.#pools.push({ end: () => (pool.ending ? Promise.resolve() : pool.end()) })
    return pool
  }

  /** The scope of a request that could be replayed. */
  request(pool: RoutedPool): Scope {
    return new Scope({ kind: 'request', topology: () => pool.topology })
  }

  async notes(body: string): Promise<number> {
    const { rows } = await this.admin.query<{ count: number }>(
      'select count(*)::int as count from note where body = $1',
      [body],
    )
    return rows[0]?.count ?? -1
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // A failed test may hold a client for ever; its server's end is its end.
    const ended = Promise.allSettled(this.#pools.map((pool) => pool.end()))
    await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 2000).unref())])
    await this.cluster.stop()
  }
}
