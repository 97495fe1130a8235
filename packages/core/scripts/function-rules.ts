/**
 * What Postgres's own functions need that `pg_proc` does not say.
 *
 * The seed is `proparallel = 'u'`: every built-in that writes, takes a transaction id or touches a sequence is parallel
 * unsafe. It is not enough: a standby *accepts* advisory locks, statistics and admin functions, and answers for
 * itself. Each exception is here by hand, with its reason; the first rule that matches wins.
 */
export interface FunctionRule {
  /** A key of `FUNCTIONS` in the generated catalog. */
  readonly kind: string
  readonly names: RegExp
  readonly why: string
}

export const FUNCTION_RULES: readonly FunctionRule[] = [
  {
    kind: 'reads-only',
    names: /^(current_schemas?|lo_get|pg_wal_lsn_diff|pg_split_walfile_name|pg_collation_actual_version|currtid2)$/,
    why: 'parallel unsafe, or named like an admin function, and yet a standby answers as the primary does',
  },
  {
    kind: 'current-setting',
    names: /^current_setting$/,
    why: 'the answer to some names differs on a standby',
  },
  { kind: 'set-config', names: /^set_config$/, why: 'session or transaction, as its third argument says' },
  {
    kind: 'procedural-code',
    names:
      /^(query_to_xml|query_to_xmlschema|query_to_xml_and_xmlschema|ts_stat|ts_rewrite|cursor_to_xml|cursor_to_xmlschema)$/,
    why: 'runs a query that is given as a value',
  },
  {
    kind: 'sequence',
    names: /^(nextval|setval|currval|lastval|pg_sequence_last_value|pg_get_sequence_data)$/,
    why: 'nextval logs 32 values ahead, so a standby answers 33 where the primary says 1',
  },
  {
    kind: 'large-object',
    names: /^(lo_.*|loread|lowrite)$/,
    why: 'descriptors belong to a transaction on the primary',
  },
  {
    kind: 'transaction-id',
    names:
      /^(txid_current.*|txid_status|pg_current_xact_id.*|pg_current_snapshot|pg_xact_status|pg_last_committed_xact|pg_export_snapshot)$/,
    why: 'a standby refuses, or answers from its own lagging horizon (outbox pollers lose rows)',
  },
  {
    kind: 'notification',
    names: /^(pg_notify|pg_listening_channels|pg_notification_queue_usage)$/,
    why: 'a standby has no queue',
  },
  { kind: 'advisory-lock', names: /^pg_(try_)?advisory_/, why: 'a standby grants it and excludes nobody' },
  { kind: 'session-state', names: /^(setseed|pg_my_temp_schema)$/, why: 'belongs to one session' },
  {
    kind: 'maintenance',
    names:
      /^(brin_summarize_|brin_desummarize_|gin_clean_pending_list|pg_import_system_collations|pg_restore_|pg_clear_)/,
    why: 'writes to an index or to the catalog',
  },
  {
    kind: 'writing-function',
    names:
      /^(binary_upgrade_|pg_logical_emit_message|pg_replication_origin_|pg_nextoid|pg_stop_making|pg_extension_config_dump)/,
    why: 'parallel unsafe, or needs the primary',
  },
  {
    kind: 'node-local',
    names: new RegExp(
      `^(${[
        'pg_stat_(?!istics).*',
        'pg_ls_.*',
        'pg_read_.*',
        'pg_wal_.*',
        'pg_last_.*',
        'pg_is_in_recovery',
        'pg_is_wal_.*',
        'pg_get_wal_.*',
        'pg_current_wal_.*',
        'pg_current_logfile',
        'pg_switch_wal',
        'pg_create_restore_point',
        'pg_walfile_.*',
        'pg_control_.*',
        'pg_backup_.*',
        'pg_cancel_backend',
        'pg_terminate_backend',
        'pg_reload_conf',
        'pg_rotate_logfile',
        'pg_promote',
        'pg_log_.*',
        'pg_backend_pid',
        'pg_blocking_pids',
        'pg_safe_snapshot_blocking_pids',
        'pg_isolation_test_session_is_blocked',
        'pg_lock_status',
        'pg_prepared_.*',
        'pg_cursor',
        'pg_show_.*',
        'pg_hba_file_rules',
        'pg_ident_file_mappings',
        'pg_get_backend_memory_contexts',
        'pg_get_shmem_.*',
        'pg_get_aios',
        'pg_get_loaded_modules',
        'pg_get_replication_slots',
        'pg_.*slot.*',
        'pg_logical_slot_.*',
        'pg_available_wal_summaries',
        'pg_jit_available',
        'pg_numa_available',
        'pg_database_collation_actual_version',
        'pg_config',
        'pg_conf_load_time',
        'pg_postmaster_start_time',
        'inet_(client|server)_(addr|port)',
      ].join('|')})$`,
    ),
    why: 'a standby accepts it and answers, or acts, for itself only',
  },
]

/** Views of pg_catalog that show one node's own state, by pattern; the rest of the catalog is replicated. */
export const NODE_LOCAL_VIEWS: RegExp =
  /^(pg_stat_.*|pg_statio_.*|pg_locks|pg_cursors|pg_prepared_statements|pg_prepared_xacts|pg_replication_slots|pg_replication_origin_status|pg_settings|pg_file_settings|pg_hba_file_rules|pg_ident_file_mappings|pg_shmem_allocations.*|pg_backend_memory_contexts|pg_aios|pg_config)$/
