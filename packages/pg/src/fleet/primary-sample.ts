import { databaseErrorIn, type Position, parseLsn } from '@headwater/core/internal'

/** What the primary reported, and when it was asked. */
export interface PrimarySample extends Position {
  /** When it was asked, in ms of this process's monotonic clock: it covers all that was committed before. */
  readonly sentAt: number
}

type Identity = Pick<Position, 'cluster' | 'timeline'>

const FLUSHED = 'pg_catalog.pg_current_wal_flush_lsn()'
const INSERTED = 'pg_catalog.pg_current_wal_insert_lsn()'
/**
 * A position at or past every commit that was answered (F2). With asynchronous commits that is the insert position. Otherwise it
 * is the flush position: the insert position may cover what others have not committed yet, which replicas get late.
 */
const REACHED = `select (case when pg_catalog.current_setting('synchronous_commit') operator(pg_catalog.=) 'off' then ${INSERTED} else ${FLUSHED} end)::text as lsn`
/** The same for a commit that its own session made asynchronous, whatever the setting is here. */
const REACHED_ASYNC = `select ${INSERTED}::text as lsn`
const IDENTITY = `, pg_catalog.pg_walfile_name(${INSERTED}) as segment, (select system_identifier from pg_catalog.pg_control_system())::text as cluster`

/** The first eight digits of a segment's name are its timeline. */
const TIMELINE_DIGITS = 8
/** How long a connection is taken to lead to the same server: behind a pooler it may not. */
const BELIEVED_MILLIS = 5_000

/**
 * The cluster and timeline behind each connection: a primary keeps both, and asking for them takes longer than asking for the
 * position.
 */
const identities = new WeakMap<object, Identity & { readonly until: number }>()

/** The query that asks the primary for its position on `connection`. */
export function primarySampleText(connection: object, isCommitAsync: boolean, now: number): string {
  const reached = isCommitAsync ? REACHED_ASYNC : REACHED
  return (identities.get(connection)?.until ?? 0) > now ? reached : reached + IDENTITY
}

/**
 * Reads the answer to `primarySampleText()`, in the order of its columns.
 *
 * @throws {Error} when it has no position.
 */
export function parsePrimarySample(connection: object, row: readonly unknown[], sentAt: number): PrimarySample {
  const [position, segment, cluster] = row
  if (typeof segment === 'string' && typeof cluster === 'string') {
    const timeline = Number.parseInt(segment.slice(0, TIMELINE_DIGITS), 16)
    identities.set(connection, { cluster: BigInt(cluster), timeline, until: sentAt + BELIEVED_MILLIS })
  }
  const lsn = typeof position === 'string' ? parseLsn(position) : undefined
  const identity = identities.get(connection)
  if (lsn === undefined || identity === undefined)
    throw new Error('[headwater] the primary did not report its position in the WAL')
  return { cluster: identity.cluster, timeline: identity.timeline, lsn, sentAt }
}

/**
 * Whether the server will never report its position: the user may not ask (42501), or it has no such function (42883,
 * 0A000). A cancelled query, a shutdown or a recovery says nothing about the next time.
 */
export function isPositionRefused(error: unknown): boolean {
  const code = databaseErrorIn(error)?.code
  return code !== undefined && (code.startsWith('42') || code === '0A000')
}
