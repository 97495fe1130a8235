import type { Scope } from '@headwater/core'
import { isSamePosition, type ReadPosition, reportUnverified } from '@headwater/core/internal'
import type { RequestFacts } from '../request/request-facts.ts'
import type { ResponseHead } from '../response/response-head.ts'
import type { RequestToken, StoredAnswer, TokenAnswer, TokenOutcome } from '../token/request-token.ts'
import type { SharedState } from './shared-state.ts'
import { WriteWait } from './write-wait.ts'

/** What the client of one request has seen: asked of the app's store before the handler, found out before the head, told on it. */
export class ClientPosition {
  readonly #shared: SharedState
  readonly #facts: RequestFacts
  readonly #token: RequestToken
  readonly #scope: Scope
  #writeWait: WriteWait | undefined
  #captured: { readonly seen: ReadPosition | undefined } | undefined
  #answer: TokenAnswer | undefined
  #hasLoaded = false
  /** What the app's store was told. */
  #saved: ReadPosition | undefined

  constructor(shared: SharedState, facts: RequestFacts, token: RequestToken, scope: Scope) {
    this.#shared = shared
    this.#facts = facts
    this.#token = token
    this.#scope = scope
  }

  /** Whether `load()` has to come before the handler. */
  get mustLoad(): boolean {
    return !this.#hasLoaded && this.#shared.options.token?.store !== undefined && !this.#scope.isSpent
  }

  /** Asks the app's store what the user has seen (F8). A store that does not say sends the reads of this request to the primary. Never rejects. */
  async load(): Promise<void> {
    this.#hasLoaded = true
    const { pool, token: carriers, logger } = this.#shared.options
    const list = await carriers?.store?.load(this.#facts)
    const { session } = this.#scope
    if (list === undefined) return session.arriveUnsure()
    const { seen, hasUnverified } = this.#token.takeStored(list, pool)
    if (hasUnverified) reportUnverified('stored token', logger)
    if (seen !== undefined) session.arriveWith(seen)
  }

  /** Whether the head must wait for `capture()`. */
  get mustCapture(): boolean {
    return !this.#scope.isSpent && (this.#isWriteOnItsWay || this.#mustAskPrimary || this.#toStore !== undefined)
  }

  /** Finds out what the client has seen. Never rejects. */
  async capture(): Promise<void> {
    do {
      if (this.#isWriteOnItsWay) {
        this.#writeWait ??= new WriteWait()
        await this.#writeWait.until(this.#scope.session)
      }
      // Also when there is nothing to ask: what is still on its way after this second has no position.
      if (!this.#scope.isSpent) this.#captured = { seen: await this.#scope.session.capturePosition() }
    } while (this.#isWriteOnItsWay || (await this.#save()))
  }

  /** Whether `writeTo()` has something to write. What the client has seen is fixed by it. */
  get hasAnswer(): boolean {
    const { cookies, header } = this.#answerNow()
    return this.#token.minPosition !== undefined || cookies.length > 0 || header !== undefined
  }

  writeTo(head: ResponseHead): void {
    const { hasWritten, session } = this.#scope
    this.#token.writeTo(head, this.#answerNow(), hasWritten || session.wasShownMore)
  }

  /** Fixed when first asked for: what the request sees after that is not in the token. */
  #answerNow(): TokenAnswer {
    this.#answer ??= this.#token.answer(this.#outcome)
    return this.#answer
  }

  /** Tells the app's store (F8). Returns whether the scope did more meanwhile that has to be told, too. */
  async #save(): Promise<boolean> {
    const stored = this.#toStore
    if (stored === undefined) return false
    const { session } = this.#scope
    const [isFirst, before] = [this.#saved === undefined, session.positionNow()]
    this.#saved = this.#captured?.seen
    await this.#shared.options.token?.store?.save(this.#facts, stored.token, stored.covered)
    const after = session.positionNow()
    return isFirst && after !== undefined && (before === undefined || !isSamePosition(before, after))
  }

  /** What the app's store is to be told now; asked again as long as the head waits. */
  get #toStore(): StoredAnswer | undefined {
    if (this.#scope.isSpent || this.#shared.options.token?.store === undefined) return undefined
    const outcome = this.#outcome
    const isTold = this.#saved !== undefined && outcome.seen !== undefined && isSamePosition(this.#saved, outcome.seen)
    return isTold ? undefined : this.#token.toStore(outcome)
  }

  get #mustAskPrimary(): boolean {
    return !this.#scope.isSpent && this.#scope.session.mustAskPrimary
  }

  get #isWriteOnItsWay(): boolean {
    return !this.#scope.isSpent && this.#scope.session.isAnswerAwaited && this.#writeWait?.isOver !== true
  }

  get #outcome(): TokenOutcome {
    const { options, clocks } = this.#shared
    const { session } = this.#scope
    const { seen } = this.#captured ?? { seen: session.positionNow() }
    const isEverywhere = seen !== undefined && options.pool.hasEveryReplica?.(seen) === true
    return { seen, hasSeenMore: session.hasSeenMore, isEverywhere, now: clocks.wallMillis() }
  }
}
