import type { AccessReason } from '../../statement/statement.ts'
import { K } from '../sql/keywords.ts'

/** Words that begin a statement which is no read, and why. */
export const WRITING_WORDS: ReadonlyMap<number, AccessReason> = new Map<number, AccessReason>([
  ...[K.CREATE, K.ALTER, K.DROP, K.GRANT, K.REVOKE, K.COMMENT, K.SECURITY, K.IMPORT, K.REASSIGN].map(
    (keyword) => [keyword, 'schema-change'] as const,
  ),
  ...[K.TRUNCATE, K.INSERT, K.UPDATE, K.DELETE, K.MERGE].map((keyword) => [keyword, 'data-modification'] as const),
  ...[K.REINDEX, K.VACUUM, K.CLUSTER, K.CHECKPOINT, K.REFRESH, K.ANALYZE, K.ANALYSE].map(
    (keyword) => [keyword, 'maintenance'] as const,
  ),
  ...[K.SET, K.RESET, K.DISCARD, K.LOAD].map((keyword) => [keyword, 'session-state'] as const),
  ...[K.COMMIT, K.ROLLBACK, K.ABORT, K.SAVEPOINT, K.RELEASE, K.START].map(
    (keyword) => [keyword, 'transaction-control'] as const,
  ),
  ...[K.LISTEN, K.UNLISTEN, K.NOTIFY].map((keyword) => [keyword, 'notification'] as const),
  [K.LOCK, 'table-lock'],
  [K.COPY, 'copy-from'],
  [K.PREPARE, 'prepared-statement'],
  [K.DEALLOCATE, 'prepared-statement'],
  [K.DO, 'procedural-code'],
])
