import type { Access, Statement } from '../statement/statement.ts'
import type { Situation, TransactionState } from './situation.ts'

/**
 * What a statement needs in its transaction's state: inside an open transaction, a setting that ends with the transaction
 * needs only the node that the transaction is on.
 */
export function accessIn(statement: Statement, transaction: TransactionState): Access {
  const { access, control } = statement
  if (transaction.phase !== 'open') return access
  if (control === undefined) return access === 'session' && statement.isTransactionLocal ? 'read' : access
  if (control.kind === 'two-phase') return 'write'
  if (control.kind !== 'set-transaction') return 'read'
  // A standby cannot run these modes.
  return control.modes.isReadOnly === false || control.modes.isolation === 'serializable' ? 'write' : 'read'
}

/** As `accessIn`, and a question to a server about itself goes to the kind of server that the app has chosen. */
export function accessOf(statement: Statement, { forced, transaction }: Situation): Access {
  if (forced !== 'replica' || !statement.isNodeQuestion) return accessIn(statement, transaction)
  return statement.functions.length === 0 ? 'read' : 'unknown'
}
