/**
 * The settings of every node. A data folder lives only as long as its cluster, so nothing is synced to disk. Replicas look
 * for their primary every 50 ms instead of every 5 s, so that tests of failures are quick.
 */
const defaults: Readonly<Record<string, string>> = {
  timezone: 'UTC',
  log_timezone: 'UTC',
  fsync: 'off',
  full_page_writes: 'off',
  autovacuum: 'off',
  // A standby refuses to start with fewer than initdb recorded for its primary: 100 connections.
  max_connections: '100',
  max_prepared_transactions: '10',
  max_wal_senders: '25',
  wal_level: 'replica',
  wal_keep_size: '256MB',
  max_wal_size: '256MB',
  min_wal_size: '32MB',
  shared_buffers: '16MB',
  wal_retrieve_retry_interval: '50ms',
  wal_receiver_status_interval: '1s',
  // Segments are files in the data folder, so that a killed server leaves nothing in /dev/shm.
  dynamic_shared_memory_type: 'mmap',
  logging_collector: 'off',
}

/**
 * Settings that a standby compares with what its primary last wrote to pg_control. initdb writes its own values there, so
 * a lower value must be written before the data folder is copied.
 * (https://www.postgresql.org/docs/18/hot-standby.html#HOT-STANDBY-ADMIN)
 */
const recordedSettings: readonly string[] = [
  'max_connections',
  'max_locks_per_transaction',
  'max_prepared_transactions',
  'max_wal_senders',
  'max_worker_processes',
]

/** All settings of a node. The user's override ours. */
export function nodeSettings(name: string, settings: Readonly<Record<string, string>>): Record<string, string> {
  return { ...defaults, ...settings, hot_standby: 'on', cluster_name: name }
}

/** The user's settings that must be in the template already. */
export function settingsOfTemplate(settings: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(settings).filter(([name]) => recordedSettings.includes(name)))
}

/** The text of a postgresql.conf with these settings. */
export function configurationFile(settings: Readonly<Record<string, string>>): string {
  return Object.entries(settings)
    .map(([name, value]) => `${name} = ${quoteSetting(value)}\n`)
    .join('')
}

/** The value of a replica's `primary_conninfo`. */
export function primaryConnection(address: { host: string; port: number }, name: string): string {
  return `host=${address.host} port=${address.port} user=postgres application_name=${name}`
}

/** What a copy of another node appends to its `postgresql.auto.conf`: it follows that node, and without the delay that the other may have. */
export function followingFile(address: { host: string; port: number }, name: string): string {
  return configurationFile({ primary_conninfo: primaryConnection(address, name), recovery_min_apply_delay: '0' })
}

/** A value, quoted for postgresql.conf and ALTER SYSTEM. Backslashes are escapes in the file. */
export function quoteSetting(value: string): string {
  return `'${value.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`
}
