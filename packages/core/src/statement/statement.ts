/**
 * What a statement needs of a database.
 *
 * - `read`: proven to only read; a standby answers it exactly as the primary would.
 * - `write`: needs the primary: it writes, locks, or a standby would accept it and give a wrong result (R2).
 * - `session`: changes the session it runs in (SET, LISTEN, PREPARE of a name …); it must run on the connection that
 *   the following statements use, and that is the primary's.
 * - `unknown`: calls something whose effect is not known.
 */
export type Access = 'read' | 'unknown' | 'session' | 'write'

/** Isolation levels as Postgres names them. */
export type IsolationLevel = 'serializable' | 'repeatable read' | 'read committed' | 'read uncommitted'

/** The modes of BEGIN, START TRANSACTION and SET TRANSACTION; `undefined` means not said. */
export interface TransactionModes {
  readonly isolation: IsolationLevel | undefined
  /** `true` after READ ONLY, `false` after READ WRITE. */
  readonly isReadOnly: boolean | undefined
  readonly isDeferrable: boolean | undefined
}

/** A statement that steers a transaction. Present only when the text is exactly one such statement. */
export type TransactionControl =
  | { readonly kind: 'begin'; readonly modes: TransactionModes }
  | { readonly kind: 'set-transaction'; readonly modes: TransactionModes }
  | { readonly kind: 'commit'; readonly isChained: boolean }
  | { readonly kind: 'rollback'; readonly isChained: boolean }
  | { readonly kind: 'savepoint' }
  | { readonly kind: 'release-savepoint' }
  | { readonly kind: 'rollback-to-savepoint' }
  | { readonly kind: 'two-phase' }

/** The verdict on one text (which may hold several statements; the strongest access wins). */
export interface Statement {
  readonly access: Access
  /** Why, from a closed list. */
  readonly reason: AccessReason
  /** The word or function that decided, as written; `undefined` for a plain read. */
  readonly token: string | undefined
  /** Offset of `token` in the text in UTF-16 units; -1 when there is none. */
  readonly position: number
  /** Names that it calls and whose effect is not known, as Postgres folds them, qualified only where the text is. */
  readonly functions: readonly string[]
  /** How many statements the text holds; 0 for an empty one. */
  readonly count: number
  /** Set when the text is exactly one transaction-control statement. */
  readonly control: TransactionControl | undefined
  /**
   * Set when the text is one statement that belongs to the transaction it stands in, and leaves nothing behind it
   * (`SET LOCAL`, `set_config(…, true)`, `FETCH`, `SHOW`).
   */
  readonly isTransactionLocal: boolean
  /**
   * Whether all that needs the primary in it only asks a server about itself (`pg_is_in_recovery()`, `SHOW
   * transaction_read_only`): where the app has chosen a replica, the replica answers.
   */
  readonly isNodeQuestion: boolean
}

/** Why a statement has its access: a closed list, so that a table over it is exhaustive. */
export type AccessReason =
  | 'reads-only'
  | 'empty'
  | 'transaction-control'
  | 'transaction-local'
  | 'data-modification'
  | 'row-lock'
  | 'table-lock'
  | 'advisory-lock'
  | 'schema-change'
  | 'select-into'
  | 'copy-from'
  | 'copy-to-server'
  | 'explain-analyze'
  | 'sequence'
  | 'large-object'
  | 'transaction-id'
  | 'notification'
  | 'session-state'
  | 'prepared-statement'
  | 'cursor'
  | 'maintenance'
  | 'two-phase'
  | 'writing-function'
  | 'node-local'
  | 'remote-server'
  | 'swallows-errors'
  | 'procedural-code'
  | 'unseen-function'
  | 'unseen-operator'
  | 'newer-than-catalog'
  | 'unlogged'
  | 'hint'
  | 'learned'
  | 'override'
  | 'syntax'
