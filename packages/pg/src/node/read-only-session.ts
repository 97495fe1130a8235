import { type EndpointTraits, isDirect } from '@headwater/core/internal'
import { ownProcessCondition } from '../driver/own-process.ts'
import { sendQuestion } from '../driver/send.ts'
import type { TrackedClient } from '../driver/tracked-client.ts'

const SET = "select pg_catalog.set_config('default_transaction_read_only', 'on', false)"

/** What is known of the session behind a new connection to a replica. */
export interface OpenedSession {
  /** Whether it is forced read-only (X1). */
  readonly isForced: boolean
  /** Whether the process behind it is its own; `undefined` when that was not asked. */
  readonly isOwn: boolean | undefined
}

/** Is told how that went. */
export type ReadOnlyOpened = (error: Error | undefined, session: OpenedSession) => void

/**
 * Makes sure that a new session on a replica cannot write (X1), and tells whether it is so. Behind a pooler it sends nothing: the
 * setting would stay on a session that others use after us (B3). While nothing is known of one, the setting is made only where the process is
 * the connection's own, in one query.
 */
export function openReadOnly(
  client: TrackedClient,
  traits: EndpointTraits,
  isTold: boolean,
  opened: ReadOnlyOpened,
): void {
  if (!isDirect(traits)) return opened(undefined, NOT_FORCED)
  if (traits.pooling === 'none' && client.isReadOnlyByDefault === true) return opened(undefined, FORCED)
  const isOwnThere = ownProcessCondition(client)
  if (isOwnThere === undefined && !isTold) return opened(undefined, { isForced: false, isOwn: false })
  const text = isTold ? SET : `${SET} where ${isOwnThere}`
  client.query(text).then(
    ({ rows }) => opened(undefined, { isForced: rows.length === 1, isOwn: isTold ? undefined : rows.length === 1 }),
    (error: Error) => opened(error, NOT_FORCED),
  )
}

const FORCED: OpenedSession = Object.freeze({ isForced: true, isOwn: undefined })
const NOT_FORCED: OpenedSession = Object.freeze({ isForced: false, isOwn: undefined })

/** Asks whether the process behind a connection is its own; `undefined` when that gave no answer. Sets nothing. */
export function askWhetherOwn(client: TrackedClient, answered: (isOwn: boolean | undefined) => void): void {
  const isOwnThere = ownProcessCondition(client)
  if (isOwnThere === undefined) return answered(false)
  sendQuestion(client, `select ${isOwnThere}`, (error, rows) => {
    const isOwn = error ? undefined : rows[0]?.[0] === 't'
    client.whenSettled(() => answered(isOwn))
  })
}
