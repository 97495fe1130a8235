import { databaseErrorIn, isShared } from '@headwater/core/internal'
import { boundHere } from '../driver/bound-here.ts'
import { findStatementName } from '../driver/named-statement.ts'
import type { QueryCall } from '../driver/query-call.ts'
import { type AppConfig, copyConfig } from '../driver/sent-query.ts'
import type { Settle } from '../driver/settle.ts'
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

/**
 * A settle for a query that is sent by its name, outside a transaction, behind a pooler that keeps names: where that has forgotten this one (its
 * mode was changed, say), nothing of the query has run, and it is sent once more without.
 */
export function orUnnamed(
  call: QueryCall,
  { node, client }: Connection,
  answered: Settle,
  sendAgain: (unnamed: QueryCall) => void,
): Settle {
  if (findStatementName(call) === undefined || !isShared(node.traits)) return answered
  return (error, result) => {
    const fields = databaseErrorIn(error)
    // One that a function raised is the app's own.
    if (fields?.code !== '26000' || fields.where !== undefined) return answered(error, result)
    node.endpoint.find({ keepsStatements: false })
    client.whenSettled(boundHere(() => (client.isLost ? answered(error) : sendAgain(withoutName(call)))))
  }
}

function withoutName(call: QueryCall): QueryCall {
  return { ...call, config: { ...copyConfig(call.config as AppConfig), name: undefined } as AppConfig }
}
