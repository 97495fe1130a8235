import { type Position, parseLsn } from '@headwater/core'

/** What the primary said of itself, and when it was asked. */
export interface PrimarySample extends Position {
  /** When it was asked, in ms of this process's monotonic clock: all that was committed before is in it. */
  readonly sentAt: number
}

const FLUSHED = 'pg_catalog.pg_current_wal_flush_lsn()'
const INSERTED = 'pg_catalog.pg_current_wal_insert_lsn()'
const REST = `pg_catalog.pg_walfile_name(${INSERTED}) as segment, (select system_identifier from pg_catalog.pg_control_system())::text as cluster`

/**
 * Where the primary is, at or past every commit that was answered (F2). With asynchronous commits that is the insert
 * position; else the flush position, because the insert position may hold what strangers have not committed, and replicas
 * get that late.
 */
export const PRIMARY_SAMPLE: string = `select (case when pg_catalog.current_setting('synchronous_commit') operator(pg_catalog.=) 'off' then ${INSERTED} else ${FLUSHED} end)::text as lsn, ${REST}`

/** The same where a commit was made asynchronous by its own session, whatever the setting is here. */
export const PRIMARY_SAMPLE_ASYNC: string = `select ${INSERTED}::text as lsn, ${REST}`

/** The first eight digits of a segment's name are its timeline. */
const TIMELINE_DIGITS = 8

/**
 * Reads the answer to `PRIMARY_SAMPLE`.
 *
 * @throws {Error} when it is not one.
 */
export function primarySampleOf(row: readonly unknown[], sentAt: number): PrimarySample {
  const [position, segment, cluster] = row
  const lsn = typeof position === 'string' ? parseLsn(position) : undefined
  if (lsn === undefined || typeof segment !== 'string' || typeof cluster !== 'string') {
    throw new Error('[headwater] the primary did not say where it is')
  }
  return { cluster: BigInt(cluster), timeline: Number.parseInt(segment.slice(0, TIMELINE_DIGITS), 16), lsn, sentAt }
}
