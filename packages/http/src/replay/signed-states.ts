import { type KnownTimeline, type ReplayedRequest, signState } from './replay-state.ts'

/** Of the 60 s that a state is good for, how much may have gone when it is sent. */
const REUSED_MILLIS = 1_000
const MOST_KEPT = 1_000
/** A client chooses its path, and so how much is kept of it. */
const LONGEST_URL = 512

/** The states of one app. Requests that are alike, as most writes of one form are, have the same one for a second: to sign takes longer than all the rest of an early replay. */
export class SignedStates {
  readonly #secrets: readonly string[]
  readonly #kept = new Map<string, string>()
  #since = Number.NEGATIVE_INFINITY

  constructor(secrets: readonly string[]) {
    this.#secrets = secrets
  }

  /** `now` is the wall clock in ms. */
  sign(request: ReplayedRequest, reason: string, now: number, known: KnownTimeline): string {
    const { method, url } = request
    if (url.length > LONGEST_URL) return signState(this.#secrets, request, reason, now, known)
    if (Math.abs(now - this.#since) >= REUSED_MILLIS || this.#kept.size >= MOST_KEPT) {
      this.#kept.clear()
      this.#since = now
    }
    const key = `${reason} ${known.cluster ?? ''} ${known.timeline} ${method} ${url}`
    let state = this.#kept.get(key)
    if (state === undefined) {
      state = signState(this.#secrets, request, reason, now, known)
      this.#kept.set(key, state)
    }
    return state
  }
}
