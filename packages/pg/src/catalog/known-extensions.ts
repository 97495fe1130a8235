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
  'address_standardizer bloom bool_plperl btree_gin btree_gist citext cube dict_int dict_xsyn earthdistance fuzzystrmatch hll ' +
  'hstore hstore_plperl hstore_plpython3u intagg intarray ip4r isn jsonb_plperl jsonb_plpython3u lo ltree ltree_plpython3u ' +
  'pageinspect pg_hashids pg_jsonschema pgstattuple pg_trgm pg_uuidv7 pg_visibility pgcrypto postgis postgis_raster postgis_sfcgal prefix rum seg semver tablefunc ' +
  'tsm_system_rows tsm_system_time unaccent uuid-ossp vector xml2'

/** Extensions that show or change the server that they run on: a standby would answer about itself. */
const ADMINISTERING =
  'adminpack amcheck hypopg old_snapshot pg_buffercache pg_cron pg_freespacemap pg_logicalinspect pg_overexplain ' +
  'pg_prewarm pg_qualstats pg_stat_kcache pg_stat_statements pg_surgery pg_wait_sampling pg_walinspect ' +
  'pgrowlocks sslinfo'

/** Extensions that reach other servers: whatever they do there is done, even when a standby then refuses. */
const REMOTE_CALLING =
  'aws_lambda aws_s3 dblink file_fdw http mongo_fdw mysql_fdw ogr_fdw oracle_fdw pg_net plproxy postgres_fdw redis_fdw tds_fdw wrappers'

const EXCEPTIONS: Readonly<Record<string, Readonly<Record<string, Known>>>> = {
  hll: { hll_set_defaults: SESSION, hll_set_max_sparse: SESSION, hll_set_output_version: SESSION },
  isn: { isn_weak: SESSION },
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
