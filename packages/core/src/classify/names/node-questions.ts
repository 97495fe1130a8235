/** Functions of pg_catalog that tell about the server which runs them, and do nothing: a standby answers for itself. */
const QUESTIONS: ReadonlySet<string> = new Set([
  'inet_client_addr',
  'inet_client_port',
  'inet_server_addr',
  'inet_server_port',
  'pg_backend_pid',
  'pg_blocking_pids',
  'pg_conf_load_time',
  'pg_config',
  'pg_control_checkpoint',
  'pg_control_init',
  'pg_control_recovery',
  'pg_control_system',
  'pg_cursor',
  'pg_get_replication_slots',
  'pg_get_wal_replay_pause_state',
  'pg_is_in_recovery',
  'pg_is_wal_replay_paused',
  'pg_jit_available',
  'pg_last_wal_receive_lsn',
  'pg_last_wal_replay_lsn',
  'pg_last_xact_replay_timestamp',
  'pg_lock_status',
  'pg_postmaster_start_time',
  'pg_prepared_statement',
  'pg_prepared_xact',
  'pg_safe_snapshot_blocking_pids',
  'pg_show_all_settings',
])

/** Whether a node-local function only answers. Others act on their server (`pg_promote`, `pg_terminate_backend`). */
export const isNodeQuestion = (name: string): boolean => QUESTIONS.has(name) || name.startsWith('pg_stat_get_')
