import { Scope } from '@headwater/core'
import { RoutedPool } from '@headwater/pg'
import pg from 'pg'

const SCHEMA = `
  drop schema public cascade; create schema public;
  create table note (id int primary key generated always as identity, body text not null);
`

/**
 * Which server answered: each connection is told at its start. To the classifier a read like any other, while what a
 * server says of itself would have to be asked at the primary.
 */
export const WHO = "select current_setting('matrix.server') as who"

/** The name under which the servers see the pools of this program. */
export const POOL_NAME = 'headwater-matrix'

/** A primary in ams, a replica in nrt, and a table of notes. */
export class World {
  #clients

  static async open() {
    const world = new World()
    const clients = [process.env.PRIMARY_URL, process.env.REPLICA_URL].map(
      (connectionString) => new pg.Client({ connectionString }),
    )
    await Promise.all(clients.map((client) => client.connect()))
    world.#clients = clients
    await clients[0].query(SCHEMA)
    await world.caughtUp()
    return world
  }

  /** Bare clients, for what the checks themselves must know. */
  get primary() {
    return this.#clients[0]
  }

  get replica() {
    return this.#clients[1]
  }

  /** Runs `use` with the pool of an app instance in `region`; ends the pool. */
  async withPool(region, use) {
    const pool = new RoutedPool({
      region,
      primary: { region: 'ams', connectionString: named('primary', process.env.PRIMARY_URL) },
      replicas: [{ region, connectionString: named('replica', process.env.REPLICA_URL) }],
      application_name: POOL_NAME,
    })
    try {
      return await use(pool)
    } finally {
      await pool.end()
    }
  }

  /** The scope of a request that could be replayed. */
  request(pool) {
    return new Scope({ kind: 'request', topology: () => pool.topology })
  }

  async notes(body) {
    const { rows } = await this.primary.query('select count(*)::int as count from note where body = $1', [body])
    return rows[0].count
  }

  /** Resolves when the replica has replayed what the primary has flushed by now. */
  async caughtUp() {
    const { rows } = await this.primary.query('select pg_current_wal_flush_lsn()::text as lsn')
    await eventually(async () => {
      const { rows: answer } = await this.replica.query('select pg_last_wal_replay_lsn() >= $1::pg_lsn as is_there', [
        rows[0].lsn,
      ])
      return answer[0].is_there
    })
  }

  async close() {
    await Promise.all(this.#clients.map((client) => client.end()))
  }
}

function named(name, address) {
  const url = new URL(address)
  url.searchParams.set('options', `-c matrix.server=${name}`)
  return url.href
}

/** Resolves when `isSo` does so with true, within ten seconds. */
export async function eventually(isSo) {
  const end = Date.now() + 10_000
  while (!(await isSo())) {
    if (Date.now() > end) throw new Error(`It did not become so within 10 s: ${isSo}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
