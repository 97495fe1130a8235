import { NO_NODE, parseLsn, type ReplicaState, SEVERAL_NODES, type ServerReport } from '@headwater/core/internal'

/** What a server said of itself, and when. */
export interface ServerSample extends ReplicaState, ServerReport {
  /** When it was asked, in ms of this process's monotonic clock: a primary's position covers all that was committed before. */
  readonly sentAt: number
  /** When the answer came: a replica had replayed this much by then. */
  readonly receivedAt: number
  /** The server process that answered: behind a pooler it is not the one that the connection began with. */
  readonly processId: number
  /** The address and port at which it took the connection; `undefined` on a Unix socket. */
  readonly address: string | undefined
  readonly addressPort: number | undefined
  /** Its setting `headwater.region`; `undefined` where it has none. */
  readonly saysRegion: string | undefined
  /** Whether its commits wait for standbys: then others may show them before it does. */
  readonly waitsForStandbys: boolean
}

/**
 * Whether a server's sessions begin read-only: `on` or `off`. What somebody has set on this very session, which a pooler may share, is no
 * news of the server. The view shows all settings, so it is asked only where that can matter.
 */
export const READ_ONLY: string = `case when pg_catalog.current_setting('default_transaction_read_only') operator(pg_catalog.=) 'off' then 'off'
              else (select reset_val from pg_catalog.pg_settings where name operator(pg_catalog.=) 'default_transaction_read_only') end`

/**
 * Asks a server for its role, its cluster, its timeline, and its position: what a standby has replayed, or what a primary has
 * written. With asynchronous commits a primary's position is the insert position, which covers commits that are not flushed yet.
 *
 * A standby records its timeline in three places, and each can be late: the control file until the next restart point, the
 * receiver's view while there is no receiver, or without the privilege to see it (pg_monitor).
 */
export const SERVER_SAMPLE: string = `
  select (case when pg_catalog.pg_is_in_recovery() then pg_catalog.pg_last_wal_replay_lsn()
               when pg_catalog.current_setting('synchronous_commit') operator(pg_catalog.=) 'off' then pg_catalog.pg_current_wal_insert_lsn()
               else pg_catalog.pg_current_wal_flush_lsn() end)::text,
         greatest(case when not pg_catalog.pg_is_in_recovery()
                       then ('x' operator(pg_catalog.||) pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 8))::bit(32)::int end,
                  (select timeline_id from pg_catalog.pg_control_checkpoint()),
                  (select min_recovery_end_timeline from pg_catalog.pg_control_recovery()),
                  (select received_tli from pg_catalog.pg_stat_wal_receiver)),
         (select system_identifier from pg_catalog.pg_control_system()),
         pg_catalog.concat_ws(' ', extract(epoch from pg_catalog.pg_postmaster_start_time()),
                              pg_catalog.inet_server_addr(), pg_catalog.inet_server_port()),
         pg_catalog.pg_backend_pid(),
         pg_catalog.pg_is_in_recovery(),
         ${READ_ONLY},
         extract(epoch from pg_catalog.pg_postmaster_start_time())::text,
         pg_catalog.host(pg_catalog.inet_server_addr()),
         pg_catalog.inet_server_port(),
         pg_catalog.current_setting('headwater.region', true),
         pg_catalog.current_setting('synchronous_standby_names') operator(pg_catalog.<>) ''`

/**
 * Reads the answer to `SERVER_SAMPLE`, in the order of its columns, as text.
 *
 * @throws {Error} when it has no position, as before a standby's first replayed record.
 */
export function parseServerSample(row: readonly (string | null)[], sentAt: number, receivedAt: number): ServerSample {
  const [
    position,
    timeline,
    cluster,
    incarnation,
    processId,
    recovery,
    readOnly,
    startedAt,
    address,
    port,
    region,
    waits,
  ] = row
  const lsn = parseLsn(position ?? '')
  if (lsn === undefined || !timeline || !cluster || !incarnation) {
    throw new Error('[headwater] a server did not report its position in the WAL')
  }
  return {
    cluster: BigInt(cluster),
    timeline: Number(timeline),
    lsn,
    node: hashIncarnation(incarnation),
    isStandby: recovery === 't',
    isReadOnly: readOnly === 'on',
    startedAt: startedAt ?? '',
    processId: Number(processId),
    address: address ?? undefined,
    addressPort: port ? Number(port) : undefined,
    // A setting that a session has set and reset is empty.
    saysRegion: region || undefined,
    waitsForStandbys: waits === 't',
    sentAt,
    receivedAt,
  }
}

/** As `parseServerSample`, of an answer that came just now; `undefined` when it cannot be read. */
export function readServerSample(row: readonly (string | null)[], sentAt: number): ServerSample | undefined {
  try {
    return parseServerSample(row, sentAt, performance.now())
  } catch {
    return undefined
  }
}

/** FNV-1a, 32 bits, of what tells one run of a server from all others. */
function hashIncarnation(incarnation: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < incarnation.length; index += 1) {
    hash = Math.imul(hash ^ incarnation.charCodeAt(index), 0x01000193) >>> 0
  }
  return hash === NO_NODE || hash === SEVERAL_NODES ? 1 : hash
}
