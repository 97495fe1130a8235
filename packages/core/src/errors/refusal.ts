import { isConnectionLoss } from './connection-loss.ts'
import { databaseErrorIn } from './database-error.ts'
import { isPgpoolLoss } from './pgpool-loss.ts'

/** What a replica's error says about where the statement has to run. */
export type Refusal =
  /** The standby refused it: it needs the primary (P2). */
  | 'refused'
  /** An object is missing; the replica may lag behind DDL (P2). */
  | 'unknown-object'
  /** The replica is gone, or cancelled the query because of a recovery conflict (X2). */
  | 'replica-lost'

/** (code, routine) pairs with which a standby refuses what a primary does; 25006 needs no routine. Measured on PostgreSQL 15 and 18. */
const REFUSING_ROUTINES: Readonly<Record<string, ReadonlySet<string>>> = {
  // BEGIN READ WRITE, SERIALIZABLE in its two forms, an unlogged relation
  '0A000': new Set([
    'call_bool_check_hook',
    'call_enum_check_hook',
    'GetSerializableTransactionSnapshot',
    'get_relation_info',
  ]),
  // a strong lock on a catalog object; index maintenance; statistics import
  '55000': new Set([
    'LockAcquireExtended',
    'gin_clean_pending_list',
    'brin_summarize_range',
    'brin_desummarize_range',
    'stats_lock_check_privileges',
    // pg_surgery
    'heap_force_common',
  ]),
  // EXPLAIN ANALYZE CREATE TABLE AS; large objects before PostgreSQL 16; pg_logical_emit_message
  XX000: new Set(['GetNewObjectId', 'GetNewTransactionId', 'XLogBeginInsert', 'XLogInsert']),
}

/** PL/Tcl and similar languages wrap every error inside them, a refusal too; the original is only in the text. */
const WRAPPED = '38000'

/** The WAL control functions refuse with 55000 from one source file, each under its own routine name. */
const REFUSING_FILES: ReadonlySet<string> = new Set(['xlogfuncs.c'])

/** Undefined table, column, function, object, schema: what DDL looks like before the replica has replayed it. */
const UNKNOWN_OBJECT: ReadonlySet<string> = new Set(['42P01', '42703', '42883', '42704', '3F000'])

/** Shutdown, crash, dropped database, cannot connect now, timeouts of idle sessions and transactions, recovery conflicts, too many connections. */
const LOST: ReadonlySet<string> = new Set([
  '57P01',
  '57P02',
  '57P03',
  '57P04',
  '57P05',
  '25P03',
  '25P04',
  '40001',
  '40P01',
  '53300',
])

/**
 * What an error from a replica means for routing; `undefined` when it is an ordinary error of the statement.
 *
 * `isStandby` is `in_hot_standby` of the connection that raised it: a primary answers 25006 too, inside READ ONLY.
 */
export function classifyRefusal(error: unknown, isStandby: boolean): Refusal | undefined {
  const fields = databaseErrorIn(error)
  if (fields === undefined) return isConnectionLoss(error) ? 'replica-lost' : undefined
  const { code, routine, file } = fields
  if (code.startsWith('08') || LOST.has(code) || isPgpoolLoss(error)) return 'replica-lost'
  if (!isStandby) return undefined
  if (code === '25006' || code === WRAPPED) return 'refused'
  if (UNKNOWN_OBJECT.has(code)) return 'unknown-object'
  if (routine !== undefined && REFUSING_ROUTINES[code]?.has(routine)) return 'refused'
  if (code === '55000' && file !== undefined && REFUSING_FILES.has(file)) return 'refused'
  return undefined
}
