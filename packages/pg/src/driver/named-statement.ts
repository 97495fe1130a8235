import { databaseErrorIn } from '@headwater/core/internal'
import type { QueryCall } from './query-call.ts'

/** The name that a statement is prepared under. */
export function findStatementName({ config }: QueryCall): string | undefined {
  const name = typeof config === 'object' && 'name' in config ? config.name : undefined
  return typeof name === 'string' && name !== '' ? name : undefined
}

/**
 * Whether the prepared statement of this name is useless on its connection: a migration has changed the shape of its result, or
 * the server has forgotten it. pg would send the name again and again.
 */
export function isStatementLost(call: QueryCall, error: unknown): boolean {
  if (findStatementName(call) === undefined) return false
  const fields = databaseErrorIn(error)
  if (fields?.code === '0A000') return fields.routine === 'RevalidateCachedQuery'
  return fields?.code === '26000'
}
