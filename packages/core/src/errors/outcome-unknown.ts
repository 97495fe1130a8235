import { HeadwaterError, nameAndBrand } from './headwater-error.ts'
import { HTTP_STATUS, httpHeadersOf } from './http-status.ts'

/**
 * What became of a transaction whose COMMIT was sent: `in progress` while the server has not noticed the loss yet, or while it is
 * prepared (two-phase). `unknown` when nobody can tell.
 */
export type CommitOutcome = 'committed' | 'aborted' | 'in progress' | 'unknown'

/**
 * A COMMIT, or a single write, was sent and its answer was lost: it may be committed or not (X6); `cause` is the driver's error.
 *
 * Never `retryable`: a second run may do it twice. `resolve()` asks the server what became of it, and `onceOnly()` of
 * `@headwater/pg` makes a second run safe. The status is 500 without Retry-After, which proxies repeat least.
 */
export class OutcomeUnknown extends HeadwaterError {
  /** What an HTTP framework answers when the app does not catch this (the http-errors convention). */
  readonly status: 500 = HTTP_STATUS.outcomeUnknown
  readonly statusCode: 500 = HTTP_STATUS.outcomeUnknown
  readonly headers: Readonly<Record<string, string>> = httpHeadersOf(HTTP_STATUS.outcomeUnknown)
  /** Whether frameworks may show the message to the client. */
  readonly expose = false
  readonly #ask: () => Promise<CommitOutcome>

  /** `ask` finds out what became of it; without one nobody can. */
  constructor(cause: unknown, ask: () => Promise<CommitOutcome> = NOBODY_KNOWS) {
    const words = cause instanceof Error && cause.message !== '' ? cause.message : 'no reason was given'
    super(
      'HEADWATER_OUTCOME_UNKNOWN',
      `the answer was lost, so nobody knows whether this was committed: ${words}. Ask resolve(), or look for what it wrote, before you try again.`,
      { retryable: false, cause },
    )
    this.#ask = ask
  }

  /**
   * Asks the server that is the primary now. Gives `unknown` when the transaction's number is not known (see `trackCommits` of
   * `RoutedPool`), or when the server cannot tell any more. Rejects when no primary answers: ask again later.
   */
  resolve(): Promise<CommitOutcome> {
    return this.#ask()
  }

  static {
    nameAndBrand(this, 'OutcomeUnknown')
  }
}

const NOBODY_KNOWS = (): Promise<CommitOutcome> => Promise.resolve('unknown')
