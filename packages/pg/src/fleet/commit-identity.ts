import type { CommitOutcome } from '@headwater/core'
import { databaseErrorIn } from '@headwater/core/internal'
import { sendQuestion } from '../driver/send.ts'
import type { TrackedClient } from '../driver/tracked-client.ts'
import type { Connection } from '../node/pool-node.ts'
import type { Fleet } from './fleet.ts'

/** What finds a transaction again: its number, and the history in which the number means that transaction. */
export interface CommitIdentity {
  readonly xid: string
  /** `undefined` when the server does not say. */
  readonly history: string | undefined
}

/**
 * What changes when numbers of transactions may have been given out twice. Those whose log was not flushed, or not replicated, are
 * given again after a crash, which resets the statistics, or a promotion, which begins a timeline. Source: varsup.c and
 * pgstat_discard_stats() of PostgreSQL 15 to 18; of a crash on 14 nothing more is relied on than the start of the server.
 */
const HISTORY =
  "pg_catalog.concat_ws(' ', (select system_identifier from pg_catalog.pg_control_system()), " +
  'pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 8), ' +
  'pg_catalog.pg_postmaster_start_time(), (select stats_reset from pg_catalog.pg_stat_bgwriter))'

/** The error of a number that was not given out yet. */
const IN_THE_FUTURE = '22023'

/** How long the primary may take to answer. */
const TIMEOUT_MILLIS = 5_000

const OUTCOMES: Readonly<Record<string, CommitOutcome>> = {
  committed: 'committed',
  aborted: 'aborted',
  'in progress': 'in progress',
}

/** The history behind each connection, whose server process does not outlive a crash; `undefined` where the server does not say. */
const histories = new WeakMap<TrackedClient, string | undefined>()

/** Asks for the history, once for each connection, and goes on whatever the answer. Inside a transaction an error would abort it. */
export function whenHistoryIsKnown(client: TrackedClient, goOn: () => void): void {
  if (histories.has(client)) return goOn()
  sendQuestion(client, `select ${HISTORY}`, (error, rows) => {
    histories.set(client, error ? undefined : (rows[0]?.[0] ?? undefined))
    client.whenSettled(goOn)
  })
}

/** Sends a text that opens a transaction, and takes a number for it in the same round trip. */
export function sendAndIdentify(client: TrackedClient, text: string, identified: Identified): void {
  // On a line of its own: the app's text may end in a comment.
  ask(client, `${text}\n;select pg_catalog.pg_current_xact_id()`, identified)
}

/** Asks for the number of the transaction that is open; it has one when it has written. */
export function askIdentity(client: TrackedClient, identified: Identified): void {
  ask(client, 'select pg_catalog.pg_current_xact_id_if_assigned()', identified)
}

type Identified = (error?: unknown, identity?: CommitIdentity) => void

function ask(client: TrackedClient, text: string, identified: Identified): void {
  sendQuestion(client, text, (error, rows) => {
    const xid = rows[0]?.[0]
    if (error || typeof xid !== 'string') return identified(error || undefined)
    identified(undefined, { xid, history: histories.get(client) })
  })
}

/**
 * Asks the server that is the primary now what became of a transaction. `committed` and `in progress` are only believed in the
 * history in which its number was given; `aborted` is true in any: who has the number now, ours is not there.
 */
export function resolveCommit(fleet: Fleet, { xid, history }: CommitIdentity): Promise<CommitOutcome> {
  return new Promise((resolve, reject) => {
    fleet.access.connect((failure, connection) => {
      if (connection === undefined) return reject(failure)
      const { client } = connection
      const text = `select pg_catalog.pg_xact_status('${xid}'), ${HISTORY}`
      const answered = (error: unknown, rows: readonly (readonly (string | null)[])[]): void => {
        leave(connection, error)
        if (error) {
          if (databaseErrorIn(error)?.code === IN_THE_FUTURE) return resolve('aborted')
          return reject(error)
        }
        const [status, now] = rows[0] ?? []
        const outcome = OUTCOMES[status ?? ''] ?? 'unknown'
        const isSameHistory = history !== undefined && history === now
        resolve(isSameHistory || outcome === 'aborted' ? outcome : 'unknown')
      }
      sendQuestion(client, text, answered, TIMEOUT_MILLIS)
    })
  })
}

/** A question that runs into its time-out is still running. */
function leave({ client, release }: Connection, error: unknown): void {
  if (!error) return release()
  const isServers = databaseErrorIn(error) !== undefined
  if (!isServers) return release(true)
  client.whenSettled(() => release(client.isLost || undefined))
}
