import type { ServerResponse } from 'node:http'
import type { ScopeRefusal } from '@headwater/core/internal'
import type { Replacement } from '../replay/replay-target.ts'
import type { HeadKeeper } from '../response/head-keeper.ts'
import type { ResponseHead } from '../response/response-head.ts'
import { writeServerTiming } from '../response/server-timing.ts'
import { timingOf } from './answer-timing.ts'
import type { OpenedRequest } from './opened-request.ts'
import type { SharedState } from './shared-state.ts'

/** The head of the answer to one request: whether the app's own passes, and what is put on it. */
export class AnswerHead implements HeadKeeper {
  readonly #shared: SharedState
  readonly #request: OpenedRequest
  #serverTiming: string | undefined
  #response: ServerResponse | undefined

  constructor(shared: SharedState, request: OpenedRequest) {
    this.#shared = shared
    this.#request = request
  }

  get isSpent(): boolean {
    return this.#request.scope.isSpent
  }

  whenSpent(listener: () => void): void {
    this.#request.scope.whenSpent(listener)
  }

  get mustCapturePosition(): boolean {
    return this.#request.position?.mustCapture === true
  }

  async capturePosition(): Promise<void> {
    await this.#request.position?.capture()
  }

  decide(): Replacement | undefined {
    const { scope, lesson } = this.#request
    const response = this.#response
    // Not 'close': a client that hangs up before the answer teaches nothing.
    if (response !== undefined && lesson?.hasToEnd(scope) === true) {
      response.once('finish', () => this.end(response.statusCode))
    }
    const replay = scope.replayDetails
    if (replay !== undefined) return this.#request.way.replacementFor(replay)
    scope.beginToAnswer()
    return undefined
  }

  refusalInstead(status: number): ScopeRefusal | undefined {
    const { facts, scope } = this.#request
    const { refusal } = scope
    if (refusal === undefined || status < 200) return undefined
    switch (this.#shared.options.refusals(facts)) {
      case 'errors':
        return status >= 500 ? refusal : undefined
      case 'always':
        return refusal
      case 'never':
        return undefined
    }
  }

  get hasTokenToWrite(): boolean {
    return this.#request.scope.trail !== undefined || this.#request.position?.hasAnswer === true
  }

  writeToken(head: ResponseHead): void {
    const { arrived, position, scope } = this.#request
    // The same when a head is written again.
    this.#serverTiming ??= timingOf(scope, arrived.replayedFor)
    writeServerTiming(head, this.#serverTiming)
    position?.writeTo(head)
  }

  /** Calls `end()` when all of this response was sent, if there is anything to teach by then. */
  endWith(response: ServerResponse): void {
    this.#response = response
  }

  /** The answer has this status. */
  end(status: number): void {
    this.#request.lesson?.end(this.#request.scope, status)
  }
}
