import { NO_NODE, parseLsn, type ReplicaState, SEVERAL_NODES } from '@headwater/core/internal'

/** What a replica reported, and when. */
export interface ReplicaSample extends ReplicaState {
  /** When the answer came, in ms of this process's monotonic clock: it had replayed this much by then. */
  readonly receivedAt: number
  /** The server process that answered: behind a pooler it is not the one that the connection began with. */
  readonly processId: number
}

/**
 * Asks a replica for the position that it has replayed or, when it was promoted meanwhile, written.
 *
 * A standby records its timeline in three places, and each can be late: the control file until the next restart point, the
 * receiver's view while there is no receiver, or without the privilege to see it (pg_monitor).
 */
export const REPLICA_SAMPLE = `
  select (case when pg_catalog.pg_is_in_recovery() then pg_catalog.pg_last_wal_replay_lsn()
               else pg_catalog.pg_current_wal_flush_lsn() end)::text,
         greatest(case when not pg_catalog.pg_is_in_recovery()
                       then ('x' operator(pg_catalog.||) pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 8))::bit(32)::int end,
                  (select timeline_id from pg_catalog.pg_control_checkpoint()),
                  (select min_recovery_end_timeline from pg_catalog.pg_control_recovery()),
                  (select received_tli from pg_catalog.pg_stat_wal_receiver)),
         (select system_identifier from pg_catalog.pg_control_system()),
         pg_catalog.concat_ws(' ', extract(epoch from pg_catalog.pg_postmaster_start_time()),
                              pg_catalog.inet_server_addr(), pg_catalog.inet_server_port()),
         pg_catalog.pg_backend_pid()`

/**
 * Reads the answer to `REPLICA_SAMPLE`.
 *
 * @throws {Error} when it has no position, as before the first replayed record.
 */
export function parseReplicaSample(row: readonly (string | null)[], receivedAt: number): ReplicaSample {
  const [position, timeline, cluster, incarnation, processId] = row
  const lsn = parseLsn(position ?? '')
  if (lsn === undefined || !timeline || !cluster || !incarnation) {
    throw new Error('[headwater] a replica did not report its position in the WAL')
  }
  const node = hashIncarnation(incarnation)
  return { cluster: BigInt(cluster), timeline: Number(timeline), lsn, node, receivedAt, processId: Number(processId) }
}

/** FNV-1a, 32 bits, of what tells one run of a server from all others. */
function hashIncarnation(incarnation: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < incarnation.length; index += 1) {
    hash = Math.imul(hash ^ incarnation.charCodeAt(index), 0x01000193) >>> 0
  }
  return hash === NO_NODE || hash === SEVERAL_NODES ? 1 : hash
}
