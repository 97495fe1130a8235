import { type Cluster, startCluster } from '@headwater/cluster'
import pg from 'pg'

const SCHEMA = `
  create view server as select current_setting('cluster_name') as who;
  create table note (id int primary key generated always as identity, body text not null);
  create table counter (id int primary key, n int not null);
  insert into counter values (1, 0);
  create sequence ticket;
  create function count_notes() returns bigint language sql stable as 'select count(*) from note';
  create function write_note(text) returns int language sql as 'insert into note (body) values ($1) returning id';
  create function try_to_write_note(text) returns text language plpgsql as $$ begin
    perform write_note($1); return 'written'; exception when others then return 'not written'; end $$;
  create view writing as select write_note('through a view') as id;
`

/** Where the nodes of one run are. */
export interface Nodes {
  readonly primary: string
  readonly replicas: readonly [string, string]
}

/** A primary with two replicas, all next door. */
export class World {
  readonly cluster: Cluster
  readonly admin: pg.Pool
  readonly nodes: Nodes

  private constructor(cluster: Cluster, nodes: Nodes) {
    this.cluster = cluster
    this.nodes = nodes
    this.admin = new pg.Pool({ connectionString: nodes.primary, max: 1 })
    this.admin.on('error', () => undefined)
  }

  static async start(): Promise<World> {
    const cluster = await startCluster({ replicas: 2 })
    const [one, two] = cluster.replicas
    if (one === undefined || two === undefined) throw new Error('the cluster has no two replicas')
    const world = new World(cluster, { primary: cluster.primary.url, replicas: [one.url, two.url] })
    await world.admin.query(SCHEMA)
    await world.settle()
    return world
  }

  /** Waits until the replicas have what the primary has. */
  async settle(): Promise<void> {
    await this.cluster.waitUntilCaughtUp()
  }

  /** Whether a question to the primary has a row as its answer. */
  async has(text: string, values: readonly unknown[] = []): Promise<boolean> {
    const { rowCount } = await this.admin.query(text, [...values])
    return rowCount !== 0
  }

  /** Runs while no replica replays anything: each is as far behind as it gets. */
  async whileBehind<Result>(run: () => Promise<Result>): Promise<Result> {
    await this.#onReplicas('select pg_wal_replay_pause()')
    try {
      return await run()
    } finally {
      await this.#onReplicas('select pg_wal_replay_resume()')
    }
  }

  async #onReplicas(text: string): Promise<void> {
    await Promise.all(
      this.nodes.replicas.map(async (connectionString) => {
        const client = new pg.Client({ connectionString })
        await client.connect()
        await client.query(text)
        await client.end()
      }),
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.admin.end()
    await this.cluster.stop()
  }
}
