import { diagnostics, type ReplayEvent, type RouteEvent } from '@headwater/core'
import type { ProxyEvent, RequestEvent } from '@headwater/fly-proxy'
import type { Visit } from './visit.ts'

/** How long the parts of one request may trail behind its answer, in ms. */
const PATIENCE = 500
const MOST_PAGES = 200

interface Page {
  event: RequestEvent | undefined
  readonly visits: Visit[]
  readonly isComplete: Promise<void>
  readonly complete: () => void
}

/** Collects, by request id, what the proxy and the app instances say about each request. */
export class Journal implements Disposable {
  readonly #pages = new Map<string, Page>()
  /** By the number of a scope: why it was sent where it was sent, last. */
  readonly #reasons = new Map<number, string>()

  constructor() {
    diagnostics.route.subscribe(this.#onRoute)
    diagnostics.replay.subscribe(this.#onReplay)
  }

  /** For `createFlyProxy({ onEvent })`. */
  readonly onProxyEvent = (event: ProxyEvent): void => {
    if (event.type !== 'request') return
    const page = this.#pageOf(event.requestId)
    page.event = event
    page.complete()
  }

  readonly onVisit = (visit: Visit): void => {
    this.#pageOf(visit.requestId).visits.push(visit)
  }

  /** Everything about one request, taken out of the journal. */
  async take(requestId: string): Promise<{ event: RequestEvent | undefined; visits: Visit[]; reason?: string }> {
    const page = this.#pageOf(requestId)
    const late = setTimeout(page.complete, PATIENCE)
    await page.isComplete
    clearTimeout(late)
    this.#pages.delete(requestId)
    const [first] = page.visits.toSorted((a, b) => a.startedAt - b.startedAt)
    const reason = first?.scope === undefined ? undefined : this.#reasons.get(first.scope)
    return { event: page.event, visits: page.visits, ...(reason !== undefined && { reason }) }
  }

  [Symbol.dispose](): void {
    diagnostics.route.unsubscribe(this.#onRoute)
    diagnostics.replay.unsubscribe(this.#onReplay)
  }

  #onRoute = (message: unknown): void => {
    const { scope, decision } = message as RouteEvent
    if (scope !== undefined) this.#remember(scope, decision.reason)
  }

  #onReplay = (message: unknown): void => {
    const { scope, reason } = message as ReplayEvent
    if (reason === undefined) return
    this.#remember(scope, reason)
  }

  #remember(scope: number, reason: string): void {
    this.#reasons.set(scope, reason)
    for (const old of this.#reasons.keys()) if (old < scope - 200) this.#reasons.delete(old)
  }

  #pageOf(requestId: string): Page {
    const known = this.#pages.get(requestId)
    if (known !== undefined) return known
    let complete = (): void => {}
    const isComplete = new Promise<void>((resolve) => {
      complete = resolve
    })
    const page: Page = { event: undefined, visits: [], isComplete, complete }
    this.#pages.set(requestId, page)
    // Nobody takes the page of a request whose client was gone.
    const [oldest] = this.#pages.keys()
    if (this.#pages.size > MOST_PAGES && oldest !== undefined) this.#pages.delete(oldest)
    return page
  }
}
