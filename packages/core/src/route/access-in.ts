import type { Access, Statement } from '../statement/statement.ts'
import type { TransactionState } from './situation.ts'

/**
 * What a statement needs where it stands: inside an open transaction, what ends with the transaction needs no more than
 * the node that the transaction is on.
 */
export function accessIn(statement: Statement, transaction: TransactionState): Access {
  const { access, control } = statement
  if (transaction.phase !== 'open') return access
  if (control === undefined) return access === 'session' && statement.isTransactionLocal ? 'read' : access
  if (control.kind === 'two-phase') return 'write'
  if (control.kind !== 'set-transaction') return 'read'
  // No standby has these modes.
  return control.modes.isReadOnly === false || control.modes.isolation === 'serializable' ? 'write' : 'read'
}
