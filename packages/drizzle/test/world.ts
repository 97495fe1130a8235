import { type Cluster, startCluster } from '@headwater/cluster'
import { runInScope, Scope } from '@headwater/core'
import { RoutedPool, type RoutedPoolOptions } from '@headwater/pg'
import pg from 'pg'

/** The view hides from the text that it asks for what is node-local: a read like any other, to the classifier. */
const SCHEMA = `
  create view server as select current_setting('cluster_name') as who, pg_is_in_recovery() as is_standby,
    current_setting('transaction_isolation') as isolation, current_setting('transaction_read_only') as read_only;
  create table author (id int primary key generated always as identity, name text not null unique);
  create table note (id int primary key generated always as identity, author_id int references author, body text not null);
  create table tag (name text not null);
  create sequence ticket;
  create materialized view note_count as select count(*)::int as count from note;
  -- Nobody can see into it: its text is made when it runs.
  create function write_note(body text) returns void language plpgsql as $$ begin
    execute format('%s into note (body) values (%L)', 'insert', body);
  end $$;
  insert into author (name) values ('ada');
  insert into note (author_id, body) values (1, 'first');
`

/** A primary in ams and a replica in nrt; every test file has its own. */
export class World {
  readonly cluster: Cluster
  /** A bare pool at the primary, for what the test itself must know. */
  readonly admin: pg.Pool
  readonly #pools: RoutedPool[] = []

  private constructor(cluster: Cluster) {
    this.cluster = cluster
    this.admin = new pg.Pool({ connectionString: cluster.primary.url, max: 2 })
    this.admin.on('error', () => undefined)
  }

  static async start(): Promise<World> {
    const world = new World(await startCluster({ replicas: ['nrt'] }))
    await world.admin.query(SCHEMA)
    await world.cluster.waitUntilCaughtUp()
    return world
  }

  get replica(): Cluster['replicas'][number] {
    const [replica] = this.cluster.replicas
    if (replica === undefined) throw new Error('the cluster has no replica')
    return replica
  }

  /** The pool of an app instance in `region`, ended with the world. */
  pool(region: 'ams' | 'nrt', options: RoutedPoolOptions = {}): RoutedPool {
    const pool = new RoutedPool({
      region,
      primary: { region: 'ams', connectionString: this.cluster.primary.url },
      // The view `server` hides that it asks for what is node-local; the catalog would see through it.
      catalog: false,
      functions: { write_note: 'unknown' },
      replicas: [{ region, connectionString: this.replica.url }],
      connectionTimeoutMillis: 2000,
      ...options,
    })
    this.#pools.push(pool)
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

  async [Symbol.asyncDispose](): Promise<void> {
    // A failed test may hold a client for ever; its server's end is its end.
    const ended = Promise.allSettled([...this.#pools, this.admin].map((pool) => pool.end()))
    await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 2000).unref())])
    await this.cluster.stop()
  }
}

/** Runs as a request that could be replayed. */
export function inRequest<Result>(pool: RoutedPool, fn: () => Promise<Result>): Promise<Result> {
  return runInScope(new Scope({ kind: 'request', topology: () => pool.topology }), fn)
}

/** What a promise was rejected with. */
export async function errorOf(promise: PromiseLike<unknown>): Promise<unknown> {
  try {
    await promise
  } catch (error) {
    return error
  }
  throw new Error('it was expected to fail, and did not')
}
