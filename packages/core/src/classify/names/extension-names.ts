import type { AccessReason } from '../../statement/statement.ts'

/** Named like administration, and yet a standby answers as its primary does: pgstattuple and pg_visibility read what is replicated. */
const READING: ReadonlySet<string> = new Set([
  'pg_relpages',
  'pg_visibility',
  'pg_visibility_map',
  'pg_visibility_map_summary',
])

/**
 * What amcheck and pageinspect read are the files of the node that answers: a check of the standby's index tells nothing
 * of the primary's, and hint bits differ. pg_surgery's and the parent check are refused on a standby.
 */
const OF_ONE_NODE: ReadonlySet<string> = new Set([
  'bt_index_check',
  'bt_index_parent_check',
  'gin_index_check',
  'verify_heapam',
  'get_raw_page',
  'bt_metap',
  'bt_page_stats',
  'bt_page_items',
  'bt_multi_page_stats',
  'hash_bitmap_info',
  'pgstathashindex',
  'heap_force_freeze',
  'heap_force_kill',
])

/**
 * Why a function that is not Postgres's own needs the primary, as far as its name tells: those of well-known extensions
 * keep that name in every database. `undefined` when it tells nothing.
 */
export function findExtensionReason(name: string): AccessReason | undefined {
  if (name.startsWith('dblink') || name.startsWith('postgres_fdw_')) return 'remote-server'
  if (name === 'set_limit' || name === 'isn_weak') return 'session-state'
  if (OF_ONE_NODE.has(name)) return 'node-local'
  // Extensions name their administration so (pg_stat_statements_reset, pg_prewarm); a standby accepts it for itself.
  return name.startsWith('pg_') && !READING.has(name) ? 'node-local' : undefined
}
