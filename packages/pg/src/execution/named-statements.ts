import { isShared } from '@headwater/core/internal'
import { findStatementName } from '../driver/named-statement.ts'
import type { QueryCall } from '../driver/query-call.ts'
import { type AppConfig, copyConfig } from '../driver/sent-query.ts'
import { probeStatements } from '../driver/statement-probe.ts'
import type { Connection } from '../node/pool-node.ts'

/**
 * Calls back with the query as it can be sent on `connection`: without its name where a pooler would not know that again. What is
 * not known of the pooler yet is asked, outside a transaction only.
 */
export function whenNameIsSettled(
  call: QueryCall,
  { node, client }: Connection,
  isInTransaction: boolean,
  goOn: (call: QueryCall) => void,
): void {
  if (node.traits.pooling === 'none' || call.text === undefined || findStatementName(call) === undefined)
    return goOn(call)
  if (node.traits.pooling === undefined) {
    if (isInTransaction) return goOn(call)
    return node.endpoint.whenPoolingIsKnown(client, () => {
      if (node.traits.pooling === undefined) goOn(call)
      else whenNameIsSettled(call, { node, client } as Connection, isInTransaction, goOn)
    })
  }
  const { keepsStatements } = node.traits
  if (!isShared(node.traits) || keepsStatements === true) return goOn(call)
  if (keepsStatements === false || isInTransaction) return goOn(withoutName(call))
  probeStatements(client, (isKept) => {
    node.endpoint.find({ keepsStatements: isKept })
    goOn(isKept ? call : withoutName(call))
  })
}

function withoutName(call: QueryCall): QueryCall {
  return { ...call, config: { ...copyConfig(call.config as AppConfig), name: undefined } as AppConfig }
}
