import type { Known } from '@headwater/core/internal'

const READS: Known = Object.freeze({ access: 'read', reason: 'reads-only' })
const SESSION: Known = Object.freeze({ access: 'session', reason: 'session-state' })
const RUNS_TEXT: Known = Object.freeze({ access: 'unknown', reason: 'procedural-code' })
const NODE_LOCAL: Known = Object.freeze({ access: 'write', reason: 'node-local' })
const WRITES: Known = Object.freeze({ access: 'write', reason: 'writing-function' })
const REMOTE: Known = Object.freeze({ access: 'write', reason: 'remote-server' })

/**
 * Extensions whose C functions only read and compute, except those in `EXCEPTIONS`. Source: their code or documentation.
 * Functions of an extension in SQL or PL/pgSQL are classified by their bodies, like all others.
 */
const READING =
  'address_standardizer bloom bool_plperl btree_gin btree_gist citext cube debversion dict_int dict_xsyn earthdistance ' +
  'first_last_agg fuzzystrmatch h3 hll hstore hstore_plperl hstore_plpython3u icu_ext intagg intarray ip4r isn jsonb_plperl ' +
  'jsonb_plpython3u jsquery lo ltree ltree_plpython3u numeral orafce pageinspect pg_hashids pg_jsonschema pg_rational pg_sphere ' +
  'pg_trgm pg_uuidv7 pg_visibility pgcrypto pgstattuple postgis postgis_raster postgis_sfcgal prefix q3c rum seg semver ' +
  'tablefunc tdigest tsm_system_rows tsm_system_time unaccent unit uuid-ossp vector xml2'

/** Extensions that show or change the server that they run on: a standby would answer about itself. */
const ADMINISTERING =
  'adminpack amcheck hypopg old_snapshot pg_buffercache pg_cron pg_dirtyread pg_freespacemap pg_logicalinspect pg_overexplain ' +
  'pg_prewarm pg_proctab pg_qualstats pg_show_plans pg_stat_kcache pg_stat_monitor pg_stat_statements pg_surgery ' +
  'pg_wait_sampling pg_walinspect pgfincore pgrowlocks pldbgapi plpgsql_check plprofiler sslinfo'

/** Extensions whose functions keep what they are told in the session that called them. */
const SESSION_KEEPING = 'pg_variables session_variable set_user'

/** Extensions that reach other servers: whatever they do there is done, even when a standby then refuses. */
const REMOTE_CALLING =
  'aws_lambda aws_s3 dblink file_fdw http mongo_fdw mysql_fdw ogr_fdw oracle_fdw pg_net pgmemcache plproxy postgres_fdw redis_fdw tds_fdw wrappers'

/** orafce's packages: pipes and alerts in the memory of one server, files of one server, and state of one session. */
const ORAFCE_OF_ONE_NODE =
  '__list_pipes create_pipe next_item_type pack_message purge receive_message remove_pipe reset_buffer send_message ' +
  'unique_session_name unpack_message_bytea unpack_message_date unpack_message_number unpack_message_record ' +
  'unpack_message_text unpack_message_timestamp _signal defered_signal register remove removeall set_defaults signal waitany ' +
  'waitone fclose fclose_all fcopy fflush fgetattr fopen fremove frename get_line get_nextline is_open new_line put put_line ' +
  'putf tmpdir'
const ORAFCE_OF_A_SESSION =
  'disable enable get_lines serveroutput initialize seed terminate set_nls_sort default_holidays include_start ' +
  'noinclude_start set_nonbizday unset_nonbizday unuse_easter unuse_great_friday use_easter use_great_friday bind_array ' +
  'bind_variable bind_variable_f close_cursor column_value column_value_f debug_cursor define_array define_column ' +
  'describe_columns describe_columns_f execute execute_and_fetch fetch_rows last_row_count open_cursor parse'

const EXCEPTIONS: Readonly<Record<string, Readonly<Record<string, Known>>>> = {
  hll: { hll_set_defaults: SESSION, hll_set_max_sparse: SESSION, hll_set_output_version: SESSION },
  isn: { isn_weak: SESSION },
  orafce: { ...each(ORAFCE_OF_ONE_NODE, NODE_LOCAL), ...each(ORAFCE_OF_A_SESSION, SESSION) },
  // What reads the pages of a relation shows the hint bits of one node; what takes a page only computes.
  pageinspect: {
    bt_metap: NODE_LOCAL,
    bt_multi_page_stats: NODE_LOCAL,
    bt_page_items: NODE_LOCAL,
    bt_page_stats: NODE_LOCAL,
    get_raw_page: NODE_LOCAL,
    get_raw_page_fork: NODE_LOCAL,
    hash_bitmap_info: NODE_LOCAL,
  },
  // Dead entries of a hash index are hints.
  pgstattuple: { pgstathashindex: NODE_LOCAL },
  // The map is replicated; the checks look for damage in the files of one node.
  pg_visibility: { pg_check_frozen: NODE_LOCAL, pg_check_visible: NODE_LOCAL, pg_truncate_visibility_map: WRITES },
  postgis: { gettransactionid: WRITES, st_fromflatgeobuftotable: WRITES },
  pg_trgm: { set_limit: SESSION },
  tablefunc: {
    connectby: RUNS_TEXT,
    crosstab: RUNS_TEXT,
    crosstab2: RUNS_TEXT,
    crosstab3: RUNS_TEXT,
    crosstab4: RUNS_TEXT,
    crosstab_hash: RUNS_TEXT,
  },
  xml2: { xpath_table: RUNS_TEXT },
}

const KNOWN: ReadonlyMap<string, Known> = new Map(
  (
    [
      [READING, READS],
      [ADMINISTERING, NODE_LOCAL],
      [SESSION_KEEPING, SESSION],
      [REMOTE_CALLING, REMOTE],
    ] as const
  ).flatMap(([names, known]) => names.split(' ').map((name) => [name, known] as const)),
)

/** What its C functions do is known by their code, or they are those of a language. */
export function isKnownExtension(name: string): boolean {
  return KNOWN.has(name) || /^pl(?:pgsql|perlu?|python3?u|tclu?)$/.test(name)
}

/** Judges a C function of an extension; `undefined` when we have not read that extension. */
export function judgeExtensionFunction(extension: string, functionName: string): Known | undefined {
  const exceptions = Object.hasOwn(EXCEPTIONS, extension) ? EXCEPTIONS[extension] : undefined
  if (exceptions !== undefined && Object.hasOwn(exceptions, functionName)) return exceptions[functionName]
  return KNOWN.get(extension)
}

function each(names: string, known: Known): Readonly<Record<string, Known>> {
  return Object.fromEntries(names.split(' ').map((name) => [name, known]))
}
