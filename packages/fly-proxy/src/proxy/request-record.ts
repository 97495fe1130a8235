import type { IncomingMessage } from 'node:http'
import type { Hop, ProxyErrorCode, RequestEvent } from '../report/events.ts'
import { newRequestId } from '../routing/forwarded-headers.ts'
import type { World } from '../world/world.ts'
import type { Draft } from './dispatch.ts'

export interface RecordedRequest {
  readonly request: IncomingMessage
  readonly isUpgrade: boolean
  /** The region whose edge the client talked to. */
  readonly edge: string
  /** The region whose edge does the work. */
  readonly servedBy: string
  readonly app: string
}

/** What has happened to one request so far. Becomes its event at the end. */
export class RequestRecord {
  readonly requestId: string
  readonly hops: Draft<Hop>[] = []
  replays = 0
  status: number | undefined
  errorCode: ProxyErrorCode | undefined
  readonly #world: World
  readonly #facts: RecordedRequest
  readonly #startedAt: number = Date.now()
  readonly #start: number = performance.now()

  constructor(world: World, facts: RecordedRequest) {
    this.#world = world
    this.#facts = facts
    this.requestId = newRequestId(this.#startedAt, facts.servedBy)
  }

  /** Milliseconds since the request's arrival. */
  elapsedMillis(): number {
    return performance.now() - this.#start
  }

  /** Writes a line to the log of the app that is at fault. */
  log(app: string, message: string, code?: ProxyErrorCode): void {
    this.#world.publish({ type: 'log', app, requestId: this.requestId, message, ...(code && { code }) })
  }

  /** Publishes the request's event. Call it once, at the end. */
  publish(outcome: RequestEvent['outcome']): void {
    const { request, isUpgrade, edge, servedBy, app } = this.#facts
    this.#world.publish({
      type: 'request',
      requestId: this.requestId,
      edge,
      servedBy,
      app,
      method: request.method ?? 'GET',
      path: request.url ?? '/',
      isUpgrade,
      startedAt: this.#startedAt,
      totalMillis: this.elapsedMillis(),
      hops: this.hops,
      replays: this.replays,
      outcome,
      ...(this.errorCode && { errorCode: this.errorCode }),
      ...(this.status !== undefined && { status: this.status }),
    })
  }
}
