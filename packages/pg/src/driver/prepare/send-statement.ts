import type { Statement } from '@headwater/core/internal'
import type { Opening } from '../opening.ts'
import { sendWithOpening } from '../opening-query.ts'
import { internalsOf } from '../pg-internals.ts'
import { isPipelining } from '../pipelining.ts'
import type { QueryCall } from '../query-call.ts'
import { sendQuery } from '../send.ts'
import type { AppConfig } from '../sent-query.ts'
import type { Settle } from '../settle.ts'
import type { TrackedClient } from '../tracked-client.ts'
import { toSendable } from './messages.ts'
import { PreparedQuery } from './prepared-query.ts'
import type { SessionStatements } from './session-statements.ts'
import type { TextRecord } from './text-record.ts'

const NO_CONFIG: AppConfig = Object.freeze({ text: '' })
const NO_VALUES: readonly unknown[] = Object.freeze([])

/**
 * Sends an ordinary query: prepared where its text comes back (S1), and else as pg does. With `opening`, what begins its transaction
 * goes in the same write (S2); it must be one that `takesOpening()` takes.
 */
export function sendStatement(
  client: TrackedClient,
  call: QueryCall,
  statement: Statement,
  answered: Settle,
  opening?: Opening,
): void {
  const { statements } = client
  if (statements === undefined || statements.server.isOff) return sendPlain(client, call, answered, opening)
  if (FORGETS.has(statement.reason) && FORGETTING.test(call.text ?? '')) statements.forgetAll()
  const values = preparableValues(call, statement)
  const record = values === undefined ? undefined : statements.server.count(call.text ?? '')
  // In an aborted transaction the server refuses whatever comes, and its words depend on the message.
  if (values === undefined || record === undefined || client.sessionStatus === 'E')
    return sendPlain(client, call, answered, opening)
  if (record.parameters === values.length && statements.server.isPrepared(record) && !record.guard.wantsPlain) {
    const prepared = statements.take(record)
    if (prepared !== undefined && toSendable !== undefined) {
      const config = typeof call.config === 'string' ? NO_CONFIG : (call.config as AppConfig)
      const settle = wantsPace(statements, record) ? timing(client, statements, record, answered) : answered
      const query = new PreparedQuery(client, statements, prepared, config, values, toSendable, settle, opening)
      internalsOf(client).query(query)
      return
    }
  }
  const isTimed = record.uses <= TIMED || record.parameters === undefined || record.guard.wantsPlain
  if (record.uses === 1 || !isTimed) return sendPlain(client, call, answered, opening)
  sendTimed(client, call, answered, opening, statements, record, values.length)
}

function sendPlain(client: TrackedClient, call: QueryCall, answered: Settle, opening: Opening | undefined): void {
  if (opening === undefined) sendQuery(client, call, answered)
  else sendWithOpening(client, call, opening, answered)
}

/** So many uses of a text are timed, plain: what is normal for it. */
const TIMED = 5

function sendTimed(
  client: TrackedClient,
  call: QueryCall,
  answered: Settle,
  opening: Opening | undefined,
  statements: SessionStatements,
  record: TextRecord,
  parameters: number,
): void {
  const { server } = statements
  const sentAt = performance.now()
  const isShared = isPipelining(client)
  const timed: Settle = (error, result) => {
    if (!error) {
      record.parameters ??= parameters
      const millis = performance.now() - sentAt
      if (!isShared) server.ranAlone(record, millis)
      const found = record.guard.plainTook(millis)
      if (found !== undefined) server.wasSlower(record, found)
    }
    answered(error, result)
  }
  sendPlain(client, call, timed, opening)
}

/** One in this many prepared runs says whether a text that was not fast enough to share a connection is so by now. */
const PACE_EVERY = 16

function wantsPace({ server }: SessionStatements, record: TextRecord): boolean {
  return server.options.lanes > 0 && record.pace.isUnproven && record.uses % PACE_EVERY === 0
}

function timing(client: TrackedClient, { server }: SessionStatements, record: TextRecord, answered: Settle): Settle {
  if (isPipelining(client)) return answered
  const sentAt = performance.now()
  return (error, result) => {
    if (!error) server.ranAlone(record, performance.now() - sentAt)
    answered(error, result)
  }
}

/** Why a statement has its access that may empty the session of what is prepared on it. */
const FORGETS: ReadonlySet<Statement['reason']> = new Set(['session-state', 'prepared-statement'])
const FORGETTING = /\b(?:discard|deallocate)\b/i

/** Whether a query could be prepared without its answer being another. */
export function mayBePrepared(call: QueryCall, statement: Statement): boolean {
  return preparableValues(call, statement) !== undefined
}

/** The values of a query that could be prepared without its answer being another; `undefined` for any other query. */
function preparableValues(call: QueryCall, statement: Statement): readonly unknown[] | undefined {
  try {
    return valuesIn(call, statement)
  } catch {
    // What throws when it is looked at throws in pg's own words when pg looks.
    return undefined
  }
}

function valuesIn({ text, config, values }: QueryCall, statement: Statement): readonly unknown[] | undefined {
  if (text === undefined || statement.count !== 1 || statement.reason === 'select-into') return undefined
  let own = values
  if (typeof config !== 'string') {
    const { name, rows, portal, types, prepare, values: inConfig } = config as AppConfig
    if (name || rows || portal || prepare === false || Array.isArray(types)) return undefined
    own = values ?? inConfig
  }
  if (own === undefined || own === null || (Array.isArray(own) && own.length === 0)) {
    // Without values pg sends a text by itself, and a rule on a table may then answer more than its statement.
    return statement.access === 'read' ? NO_VALUES : undefined
  }
  return Array.isArray(own) && own.length <= MOST_VALUES ? own : undefined
}

/** The protocol counts them in 16 bits. */
const MOST_VALUES = 65_535
