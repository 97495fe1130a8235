import type { IncomingMessage, ServerResponse } from 'node:http'
import { runInScope, type Scope } from '@headwater/core'
import { factsOf, hasBeenUpgraded, keepScope, type PatternOf } from '../request/node-request.ts'
import { gateResponse } from '../response/response-gate.ts'
import type { HandlerListener, HttpRequestLife } from './http-request-life.ts'
import { keepNodeRequest } from './keep-request.ts'
import type { HttpLifecycle } from './lifecycle.ts'

/**
 * One request on Node's own request and response. A gate on the response does all that `respond()` does elsewhere: when
 * the head is written, by whoever writes it, the replay is sent instead or the token is added.
 */
export interface NodeRequestLife {
  /** The scope that the handler runs in. A body that is produced later, outside the handler, must run in it too. */
  readonly scope: Scope
  /** Whether the answer will be a replay, whatever the app answers (P3). */
  readonly isSpent: boolean
  /**
   * Runs an awaited handler (Koa, plain node:http) in the scope; does nothing when the request is replayed before any work
   * (P5). Once the handler is done, a request to be replayed is answered.
   *
   * Rejects with the handler's error, unless the request is replayed. A Headwater error inside an ORM's wrapper comes out
   * of it, so that the framework finds its status.
   */
  run(handler: () => Promise<unknown>): Promise<void>
  /** Calls `next` in the scope, for frameworks with callbacks (Express); a request replayed before any work is answered. */
  enter(next: () => void): void
  /**
   * Gives an error that the app did not catch to the app's option `replayOn`, and answers a request that is replayed. Returns whether
   * it is: then the error needs no report. `run()` does this for what its handler rejects with.
   */
  handOver(error: unknown): boolean
}

/**
 * A response's own property, and no WeakMap: what is in one that is old is kept until the old ones are collected, and each life keeps its
 * response.
 */
const LIFE = Symbol('headwater.life')

type WithLife = ServerResponse & { [LIFE]?: NodeRequestLife }

/** The life of the request that `response` answers; `undefined` where the app skips it, or `openNodeRequest()` was not called for it. */
export function nodeRequestLifeOf(response: ServerResponse): NodeRequestLife | undefined {
  const one: WithLife = response
  return one[LIFE]
}

/** Opens the life of a request on Node's own request and response. Returns `undefined` when the app skips it. */
export function openNodeRequestLife(
  lifecycle: HttpLifecycle,
  request: IncomingMessage,
  response: ServerResponse,
  url: string,
  pattern?: PatternOf,
): NodeRequestLife | undefined {
  const isUpgraded = hasBeenUpgraded(request)
  const facts = factsOf(request, url, pattern)
  const life = isUpgraded ? lifecycle.openJob(facts) : lifecycle.open(facts)
  if (life === undefined) return undefined
  keepScope(request, life.scope)
  // The response of an upgraded request is made up by whoever calls us: nobody sends it.
  if (!isUpgraded) {
    gateResponse(response, life.head)
    life.head.endWith(response)
    keepNodeRequest(life, request, lifecycle.options.bodyLimitBytes)
  }
  const gated = new GatedRequestLife(life, response)
  const one: WithLife = response
  one[LIFE] = gated
  return gated
}

class GatedRequestLife implements NodeRequestLife, HandlerListener {
  readonly #life: HttpRequestLife
  readonly #response: ServerResponse

  constructor(life: HttpRequestLife, response: ServerResponse) {
    this.#life = life
    this.#response = response
  }

  get scope(): Scope {
    return this.#life.scope
  }

  get isSpent(): boolean {
    return this.#life.isSpent
  }

  run(handler: () => Promise<unknown>): Promise<void> {
    return this.#life.runHandler(handler, this)
  }

  handlerEnded(): void {
    if (this.isSpent) this.#response.end()
  }

  enter(next: () => void): void {
    if (this.#life.mustConnect) this.#enterAfter(this.#life.connect(), next)
    else if (this.isSpent) this.#response.end()
    else if (this.#life.mustAwaitPrimary) this.#enterAfter(this.#life.awaitPrimary(), next)
    else if (this.#life.mustLoadToken) this.#enterAfter(this.#life.loadToken(), next)
    else runInScope(this.scope, next)
  }

  #enterAfter(ready: Promise<void>, next: () => void): void {
    // Outside the promise, where an error that `next` throws would be an unhandled rejection.
    void ready.then(() => setImmediate(() => this.enter(next)))
  }

  handOver(error: unknown): boolean {
    const isReplayed = this.#life.handOver(error)
    if (isReplayed) this.#response.end()
    return isReplayed
  }
}
