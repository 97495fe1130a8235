import type { ScopeRefusal } from '@headwater/core/internal'
import type { Replacement } from '../replay/replay-target.ts'
import type { ResponseHead } from './response-head.ts'

/** Decides about the head of a response. */
export interface HeadKeeper {
  /** Whether the answer will be a replay, whatever the app answers (P3). */
  readonly isSpent: boolean
  /** Calls `listener` when that comes true; only the last listener. */
  whenSpent(listener: () => void): void
  /**
   * Whether the head must wait for `capturePosition()`: a write is on its way (P11), the primary has to say how far it
   * is (F2), or the app's store has a token to save (F8).
   */
  readonly mustCapturePosition: boolean
  /**
   * Finds out what the client has seen. Takes what is left of a write and one round trip to the primary, a second or two
   * at most, and what the app's store takes; never rejects.
   */
  capturePosition(): Promise<void>
  /**
   * Asked once, right before the head is sent. Returns the answer that replaces everything (P3), or `undefined`: the
   * response has started, and no replay can be asked for any more (P4).
   */
  decide(): Replacement | undefined
  /** The refusal whose status a head with `status` gets (P10); `undefined` when the app's own stays. */
  refusalInstead(status: number): ScopeRefusal | undefined
  /**
   * Whether `writeToken()` has something to write: a token, or where the answer was made. Asked after `decide()` only: what the client has
   * seen is fixed then.
   */
  readonly hasTokenToWrite: boolean
  /** Puts the token on a head that passes, and keeps it out of shared caches. Called again when that head was not sent. */
  writeToken(head: ResponseHead): void
}
