import type { ServerResponse } from 'node:http'
import type { Scope } from '@headwater/core'
import type { ReplayAnswer } from '../replay/replay-target.ts'
import type { ResponseHead } from '../response/response-head.ts'

/**
 * One request, as the adapter of a framework sees it. An adapter makes two calls:
 *
 * @example
 * const life = lifecycle.open(request)
 * if (life === undefined) return next() // the app skips this request
 * await life.run(next)
 * const replay = await life.respond(head) // with the response's status and headers, right before it is sent
 * if (replay !== undefined) sendInstead(replay)
 */
export interface RequestLife {
  /** The scope that the handler runs in. A body that is produced later, outside the handler, must run in it too. */
  readonly scope: Scope
  /** Whether the answer will be a replay, whatever the app answers (P3). */
  readonly isSpent: boolean
  /** The request for the app to read, in place of the `web` one that `open()` was given; `undefined`: that one. */
  readonly request: Request | undefined
  /**
   * Runs the handler in the scope of this request; does nothing when the request is replayed before any work (P5).
   *
   * Rejects with the handler's error, unless the request is replayed. A Headwater error inside an ORM's wrapper comes out
   * of it, so that the framework finds its status.
   */
  run(handler: () => Promise<unknown>): Promise<void>
  /**
   * Ends the life of the request, right before its response is sent. Call it once, also for an error page: what was
   * written before the error counts.
   *
   * Returns the answer to send instead of the response; otherwise it puts the client's token on the
   * head and returns `undefined`. Returns a promise only when a write is still on its way (P11), for which it waits a second
   * at most, when it has to ask the primary for its position (F2): one round trip, when the app's store has a token to
   * save (F8), or when this instance sends the request on by itself (P9). That promise never rejects.
   *
   * Pass `response` where the framework has Node's own: a client that hangs up then ends the request in the other region.
   *
   * @throws {TypeError} when called twice, or before `run()`; its code is HEADWATER_ADAPTER_MISUSED.
   */
  respond(head: ResponseHead, response?: ServerResponse): ReplayAnswer | undefined | Promise<ReplayAnswer | undefined>
  /**
   * Gives an error that the app did not catch to the app's option `replayOn`. Returns whether the request is replayed: then the error
   * needs no report. `run()` does this for what its handler rejects with; call it where the framework keeps errors to itself.
   */
  handOver(error: unknown): boolean
}
