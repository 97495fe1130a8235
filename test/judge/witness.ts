import type { Cluster } from '@headwater/cluster'
import pg from 'pg'

/** Where the primary stands. */
export interface Position {
  /** The next transaction id: it moves when, and only when, something takes one to write. */
  readonly nextTransaction: string
  readonly lsn: string
}

const POSITION = `
  select pg_snapshot_xmax(pg_current_snapshot())::text as "nextTransaction",
         pg_current_wal_insert_lsn()::text as lsn,
         pg_current_wal_insert_lsn() > pg_current_wal_flush_lsn()
           and current_setting('server_version_num')::int >= 170000 as "isUnflushed"`
/**
 * What takes no transaction id (VACUUM, pg_surgery) is not flushed by its commit, and a standby would wait for it. Before
 * PostgreSQL 17 nothing can ask for it: then the standby waits for the WAL writer, a fifth of a second.
 */
const FLUSH = `select pg_logical_emit_message(false, 'judge', '', true)`
const PATIENCE = 20_000

/** Watches both nodes from connections of its own. */
export class Witness implements AsyncDisposable {
  readonly #primary: pg.Client
  readonly #standby: pg.Client
  #replayed = ''

  private constructor(primary: pg.Client, standby: pg.Client) {
    this.#primary = primary
    this.#standby = standby
  }

  static async open(cluster: Cluster): Promise<Witness> {
    const standby = cluster.replicas[0]
    if (standby === undefined) throw new Error('[judge] the cluster has no replica; start it with at least one')
    const clients = [cluster.primary.url, standby.url].map((connectionString) => new pg.Client({ connectionString }))
    for (const client of clients) client.on('error', () => undefined)
    await Promise.all(clients.map((client) => client.connect()))
    const [onPrimary, onStandby] = clients as [pg.Client, pg.Client]
    return new Witness(onPrimary, onStandby)
  }

  async position(): Promise<Position> {
    const { rows } = await this.#primary.query<Position & { isUnflushed: boolean }>(POSITION)
    const position = rows[0]
    if (position === undefined) throw new Error('[judge] the primary did not say where it stands')
    if (position.isUnflushed) await this.#primary.query(FLUSH)
    return position
  }

  /** Runs SQL on the primary, outside of what is judged. */
  async arrange(sql: string): Promise<void> {
    await this.#primary.query(sql)
  }

  /** Resolves when the standby has replayed up to `position`. */
  async replayed(position: Position, signal: AbortSignal): Promise<void> {
    if (position.lsn === this.#replayed) return
    const end = performance.now() + PATIENCE
    for (;;) {
      signal.throwIfAborted()
      const { rows } = await this.#standby.query<{ done: boolean; paused: boolean }>(
        `select pg_last_wal_replay_lsn() >= $1::pg_lsn as done, pg_is_wal_replay_paused() as paused`,
        [position.lsn],
      )
      if (rows[0]?.done === true) break
      // A text that was judged may have paused it.
      if (rows[0]?.paused === true) await this.#standby.query('select pg_wal_replay_resume()')
      if (performance.now() > end)
        throw new Error(`[judge] the standby did not reach ${position.lsn} in ${PATIENCE} ms`)
    }
    this.#replayed = position.lsn
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled([this.#primary.end(), this.#standby.end()])
  }
}
