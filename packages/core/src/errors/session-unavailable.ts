import { HeadwaterError, nameAndBrand } from './headwater-error.ts'

/**
 * Why there is no session: no direct address is known, a transaction is open behind the pooler already, or the pooler runs no
 * transactions (PgBouncer's statement mode).
 */
export type NoSession = 'no-direct-address' | 'transaction-open' | 'no-transactions'

/**
 * A statement needs a session of its own (LISTEN, SET, a temporary table, a session's advisory lock …), and its server is behind
 * a pooler that shares sessions (B2). Nothing was sent; of a transaction that the pooler refused, nothing was kept.
 */
export class SessionUnavailable extends HeadwaterError {
  readonly reason: NoSession

  /** `word` is what needs the session, and `server` the name of the server. */
  constructor(reason: NoSession, word: string | undefined, server: string) {
    const statement = word === undefined ? 'this statement' : word.toUpperCase()
    const what = reason === 'no-transactions' ? 'a transaction' : statement
    super('HEADWATER_SESSION_UNAVAILABLE', `${what} needs a session of its own; ${WHY[reason](server)}`, {
      retryable: false,
    })
    this.reason = reason
  }

  static {
    nameAndBrand(this, 'SessionUnavailable')
  }
}

const WHY: Readonly<Record<NoSession, (server: string) => string>> = {
  'no-direct-address': (server) =>
    `${server} is behind a pooler that shares its sessions, so it would be left on somebody else's. Nothing was sent. Give the server's ` +
    "direct URL (`direct`, or DATABASE_DIRECT_URL), or say `pooler: 'session'` or `pooler: 'none'` where that is so.",
  'no-transactions': (server) =>
    `${server} is behind a pooler that runs no transactions of several statements (PgBouncer in statement mode). Nothing was committed. ` +
    "Give the server's direct URL (`direct`, or DATABASE_DIRECT_URL): transactions go there by themselves. Or have the pooler share its " +
    'sessions by transaction.',
  'transaction-open': (server) =>
    `the transaction is open on ${server} behind a pooler that shares its sessions. Nothing was sent. Run it before BEGIN on the same ` +
    'client, or as the first statement of the transaction: then all of it goes to the direct URL.',
}
