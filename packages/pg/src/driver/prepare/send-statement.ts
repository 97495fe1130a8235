import type { Statement } from '@headwater/core/internal'
import { internalsOf } from '../pg-internals.ts'
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

/** Sends an ordinary query: prepared where its text comes back (S1), and else as pg does. */
export function sendStatement(client: TrackedClient, call: QueryCall, statement: Statement, answered: Settle): void {
  const { statements } = client
  if (statements === undefined) return sendQuery(client, call, answered)
  if (FORGETS.has(statement.reason) && FORGETTING.test(call.text ?? '')) statements.forgetAll()
  const values = preparableValues(call, statement)
  const record = values === undefined ? undefined : statements.server.count(call.text ?? '')
  // In an aborted transaction the server refuses whatever comes, and its words depend on the message.
  if (values === undefined || record === undefined || client.sessionStatus === 'E')
    return sendQuery(client, call, answered)
  if (record.parameters === values.length && statements.server.isPrepared(record) && !record.guard.wantsPlain) {
    const prepared = statements.take(record)
    if (prepared !== undefined && toSendable !== undefined) {
      const config = typeof call.config === 'string' ? NO_CONFIG : (call.config as AppConfig)
      const query = new PreparedQuery(client, statements, prepared, config, values, toSendable, answered)
      internalsOf(client).query(query)
      return
    }
  }
  const isTimed = record.uses <= TIMED || record.parameters === undefined || record.guard.wantsPlain
  if (record.uses === 1 || !isTimed) return sendQuery(client, call, answered)
  sendTimed(client, call, answered, statements, record, values.length)
}

/** So many uses of a text are timed, plain: what is normal for it. */
const TIMED = 5

function sendTimed(
  client: TrackedClient,
  call: QueryCall,
  answered: Settle,
  { server }: SessionStatements,
  record: TextRecord,
  parameters: number,
): void {
  const sentAt = performance.now()
  sendQuery(client, call, (error, result) => {
    if (!error) {
      record.parameters ??= parameters
      const found = record.guard.plainTook(performance.now() - sentAt)
      if (found !== undefined) server.wasSlower(record, found)
    }
    answered(error, result)
  })
}

/** Why a statement has its access that may empty the session of what is prepared on it. */
const FORGETS: ReadonlySet<Statement['reason']> = new Set(['session-state', 'prepared-statement'])
const FORGETTING = /\b(?:discard|deallocate)\b/i

/** The values of a query that could be prepared without its answer being another; `undefined` for any other query. */
function preparableValues({ text, config, values }: QueryCall, statement: Statement): readonly unknown[] | undefined {
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
