import { ConnectionLost, OutcomeUnknown } from '@headwater/core'
import type { Statement, WriteOutcome } from '@headwater/core/internal'

/** How a write has ended when the statement that ends it, itself or the end of its transaction, comes to `error`. */
export function writeOutcomeOf({ control, count }: Statement, error: unknown): WriteOutcome {
  if (error instanceof OutcomeUnknown) return 'unknown'
  if (!error) return control?.kind === 'rollback' ? 'undone' : 'committed'
  // A text of several statements may hold a COMMIT of its own.
  return count > 1 && !(error instanceof ConnectionLost) ? 'committed' : 'undone'
}
