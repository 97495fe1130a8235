import { databaseErrorIn, type Position, parseLsn } from '@headwater/core/internal'

/** What the primary said of itself, and when it was asked. */
export interface PrimarySample extends Position {
  /** When it was asked, in ms of this process's monotonic clock: all that was committed before is in it. */
  readonly sentAt: number
}

type Identity = Pick<Position, 'cluster' | 'timeline'>

const FLUSHED = 'pg_catalog.pg_current_wal_flush_lsn()'
const INSERTED = 'pg_catalog.pg_current_wal_insert_lsn()'
/**
 * At or past every commit that was answered (F2). With asynchronous commits that is the insert position; else the flush
 * position, because the insert position may hold what strangers have not committed, and replicas get that late.
 */
const REACHED = `select (case when pg_catalog.current_setting('synchronous_commit') operator(pg_catalog.=) 'off' then ${INSERTED} else ${FLUSHED} end)::text as lsn`
/** The same where a commit was made asynchronous by its own session, whatever the setting is here. */
const REACHED_ASYNC = `select ${INSERTED}::text as lsn`
const IDENTITY = `, pg_catalog.pg_walfile_name(${INSERTED}) as segment, (select system_identifier from pg_catalog.pg_control_system())::text as cluster`

/** The first eight digits of a segment's name are its timeline. */
const TIMELINE_DIGITS = 8
/** How long it is believed that a connection leads to the same server as before, in ms: behind a pooler it may not. */
const BELIEVED_MILLIS = 5_000

/**
 * Which cluster and timeline each connection leads to: a primary keeps both while it is one, and to ask for them takes
 * longer than to ask how far it is.
 */
const identities = new WeakMap<object, Identity & { readonly until: number }>()

/** What to ask on `connection` to learn where the primary is. */
export function primarySampleText(connection: object, isCommitAsync: boolean, now: number): string {
  const reached = isCommitAsync ? REACHED_ASYNC : REACHED
  return (identities.get(connection)?.until ?? 0) > now ? reached : reached + IDENTITY
}

/**
 * Reads the answer to `primarySampleText()`, in the order of its columns.
 *
 * @throws {Error} when it is not one.
 */
export function parsePrimarySample(connection: object, row: readonly unknown[], sentAt: number): PrimarySample {
  const [position, segment, cluster] = row
  if (typeof segment === 'string' && typeof cluster === 'string') {
    const timeline = Number.parseInt(segment.slice(0, TIMELINE_DIGITS), 16)
    identities.set(connection, { cluster: BigInt(cluster), timeline, until: sentAt + BELIEVED_MILLIS })
  }
  const lsn = typeof position === 'string' ? parseLsn(position) : undefined
  const identity = identities.get(connection)
  if (lsn === undefined || identity === undefined) throw new Error('[headwater] the primary did not say where it is')
  return { cluster: identity.cluster, timeline: identity.timeline, lsn, sentAt }
}

/**
 * Whether the server will not say at any time: the user may not ask (42501), or it has no such function (42883, 0A000). A
 * cancelled question, a shutdown or a recovery says nothing about the next.
 */
export function isPositionRefused(error: unknown): boolean {
  const code = databaseErrorIn(error)?.code
  return code !== undefined && (code.startsWith('42') || code === '0A000')
}
