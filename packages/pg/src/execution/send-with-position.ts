import type { Position } from '@headwater/core/internal'
import type { QueryConfig } from 'pg'
import { isServerError } from '../driver/pg-errors.ts'
import { internalsOf } from '../driver/pg-internals.ts'
import { hasValues, type QueryCall } from '../driver/query-call.ts'
import { sendWithQuestionBehind, takesQuestionBehind } from '../driver/question-behind.ts'
import { sendQuery } from '../driver/send.ts'
import { type AppConfig, findFirstResult, toSentQuery } from '../driver/sent-query.ts'
import type { Settle } from '../driver/settle.ts'
import type { TrackedClient } from '../driver/tracked-client.ts'
import { isPositionRefused, parsePrimarySample, primarySampleText } from '../fleet/primary-sample.ts'
import type { Connection } from '../node/pool-node.ts'
import type { RoutedQuery } from './routed-query.ts'

/** The callback of a COMMIT that asked for its position; without one when that could not be read. */
export type Committed = (error: unknown, result?: unknown, position?: Position) => void

/** Whether this is a COMMIT at the primary whose position the scope's client will be given. */
export function mayBringPosition({ call, statement, frame }: RoutedQuery, { node, role }: Connection): boolean {
  if (frame?.scope?.session.isWanted !== true || role !== 'primary' || node.refusesPosition) return false
  return statement.control?.kind === 'commit' && !statement.control.isChained && takesTwo(call)
}

/** Whether a second statement can travel in the same text: only the simple protocol takes two. */
function takesTwo(call: QueryCall): boolean {
  if (hasValues(call)) return false
  const { config } = call
  if (typeof config === 'string') return true
  const own = config as QueryConfig & { readonly queryMode?: unknown }
  return own.name === undefined && own.queryMode === undefined
}

/**
 * Sends a COMMIT and, in the same round trip, asks for the primary's position after it (F2). When the COMMIT fails, the question is
 * not run, and the error is the COMMIT's. The app gets the answer to its own statement, also when the question fails or the
 * connection is lost after the COMMIT (X6).
 */
export function sendWithPosition({ call, frame }: RoutedQuery, { client, node }: Connection, done: Committed): void {
  const sentAt = performance.now()
  const sample = primarySampleText(client, frame?.scope?.session.isCommitAsync === true, sentAt)
  // On a line of its own: the app's text may end in a comment.
  const text = `${call.text ?? ''}\n;${sample}`
  const answered = (error: unknown, results?: unknown): void => {
    if (error) {
      const own = query === undefined ? undefined : findFirstResult(query)
      if (own === undefined) return done(error)
      if (isPositionRefused(error)) node.positionRefused(error)
      // Only a time-out of pg's own leaves the question running.
      else if (!client.isSettled && !isServerError(error)) client.end(() => undefined)
      return client.whenSettled(() => done(undefined, own))
    }
    const [own, asked] = Array.isArray(results) ? results : [results]
    done(undefined, own, positionIn(client, asked, sentAt))
  }
  const config: AppConfig = typeof call.config === 'string' ? { text } : (call.config as AppConfig)
  const query = toSentQuery(client, config, undefined, answered, text)
  if (query === undefined) sendQuery(client, call, done)
  else internalsOf(client).query(query)
}

/**
 * Whether this is a single write whose position can be asked for behind it, in the same round trip. The first one of its scope: of several
 * only the last position counts, and nobody knows which is the last. Only on a session of our own: a pooler gives its session back
 * with the first of two answers.
 */
export function mayAskBehind(
  { call, statement, frame, holder }: RoutedQuery,
  { node, client, role }: Connection,
): boolean {
  const session = frame?.scope?.session
  if (session?.isWanted !== true || !session.hasWrittenOnce || role !== 'primary' || node.refusesPosition) return false
  if (statement.reason !== 'data-modification' || statement.count !== 1 || holder.transaction.phase !== 'none')
    return false
  const isOwn = node.traits.pooling === 'none' || client.statements?.server.keepsStatements === true
  const { rows, query_timeout } = call.config as AppConfig
  return isOwn && !rows && !query_timeout && takesQuestionBehind(client)
}

/**
 * Sends a write with `send` and, in the same write to the socket, the question for the primary's position after it (F2). A write that
 * was answered stays so, also when the question fails or the connection is lost behind it (X6).
 */
export function sendAskingBehind(
  { frame }: RoutedQuery,
  { client, node }: Connection,
  send: (answered: Settle) => void,
  done: Committed,
): void {
  const sentAt = performance.now()
  const text = primarySampleText(client, frame?.scope?.session.isCommitAsync === true, sentAt)
  sendWithQuestionBehind(client, text, send, (error, own, refusal, rows) => {
    if (isPositionRefused(refusal)) node.positionRefused(refusal)
    done(error, own, rows === undefined ? undefined : positionIn(client, { rows }, sentAt))
  })
}

function positionIn(
  client: TrackedClient,
  result: { readonly rows?: readonly unknown[] } | undefined,
  sentAt: number,
): Position | undefined {
  const [row] = result?.rows ?? []
  if (typeof row !== 'object' || row === null) return undefined
  try {
    return parsePrimarySample(client, Object.values(row), sentAt)
  } catch {
    return undefined
  }
}
