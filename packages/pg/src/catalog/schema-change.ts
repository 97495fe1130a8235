import type { Statement } from '@headwater/core/internal'

/** Changes that make nothing in the catalog wrong; only its own session sees a temporary relation. */
const LEAVES_NAMES =
  /^\s*(?:create\s+(?:(?:global|local)\s+)?temp(?:orary)?\s|create\s+(?:unique\s+)?index\s|drop\s+(?:index|table)\s|(?:grant|revoke|comment|security|reassign)\s)/i

/** What a text of several statements, or a DO, may hold. */
const CHANGE = /\b(?:create|alter|drop|import)\b/i

/** Whether a statement may change what the catalog says of functions, operators, relations or types. */
export function mayChangeSchema({ access, reason, count, token }: Statement, text: string | undefined): boolean {
  if (access === 'read' || text === undefined) return false
  if (reason === 'schema-change') return count !== 1 || !LEAVES_NAMES.test(text)
  return (count > 1 || isDo(token)) && CHANGE.test(text)
}

/** Whether a statement that its builder knows as a write begins like one that changes the schema. */
export function beginsLikeSchemaChange(text: string): boolean {
  return /^(?:create|alter|drop)\s/i.test(text)
}

function isDo(token: string | undefined): boolean {
  return token?.length === 2 && token.toLowerCase() === 'do'
}
