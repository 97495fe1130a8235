import { HeadwaterError, nameAndBrand } from './headwater-error.ts'

/** Why there is no session: no direct address is known, or a transaction is open behind the pooler already. */
export type NoSession = 'no-direct-address' | 'transaction-open'

/**
 * A statement needs a session of its own (LISTEN, SET, a temporary table, a session's advisory lock …), and its server is behind
 * a pooler that shares sessions (B2). Nothing was sent.
 */
export class SessionUnavailable extends HeadwaterError {
  readonly reason: NoSession

  /** `word` is what needs the session, and `server` the name of the server. */
  constructor(reason: NoSession, word: string | undefined, server: string) {
    const what = word === undefined ? 'this statement' : word.toUpperCase()
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
  'transaction-open': (server) =>
    `the transaction is open on ${server} behind a pooler that shares its sessions. Nothing was sent. Run it before BEGIN on the same ` +
    'client, or as the first statement of the transaction: then all of it goes to the direct URL.',
}
