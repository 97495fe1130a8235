import { diagnostics, type FreshnessEvent, type ReplayEvent, type RouteEvent } from '@headwater/core'
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

/** What the journal knows of one request. */
export interface Account {
  readonly event: RequestEvent | undefined
  readonly visits: readonly Visit[]
  /** Why the first app sent it where it sent it, last. */
  readonly reason?: string
  /** What the first app did because the replica next door was not fresh enough. */
  readonly freshness?: FreshnessEvent
}

/** Collects, by request id, what the proxy and the app instances say about each request. */
export class Journal implements Disposable {
  readonly #pages = new Map<string, Page>()
  /** By the number of a scope: why it was sent where it was sent, last. */
  readonly #reasons = new Map<number, string>()
  /** By the same: what became of a read that did not simply run next door. */
  readonly #freshness = new Map<number, FreshnessEvent>()

  constructor() {
    diagnostics.route.subscribe(this.#onRoute)
    diagnostics.replay.subscribe(this.#onReplay)
    diagnostics.freshness.subscribe(this.#onFreshness)
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
  async take(requestId: string): Promise<Account> {
    const page = this.#pageOf(requestId)
    const late = setTimeout(page.complete, PATIENCE)
    await page.isComplete
    clearTimeout(late)
    this.#pages.delete(requestId)
    const [first] = page.visits.toSorted((a, b) => a.startedAt - b.startedAt)
    const reason = first?.scope === undefined ? undefined : this.#reasons.get(first.scope)
    const freshness = first?.scope === undefined ? undefined : this.#freshness.get(first.scope)
    const { event, visits } = page
    return { event, visits, ...(reason !== undefined && { reason }), ...(freshness !== undefined && { freshness }) }
  }

  [Symbol.dispose](): void {
    diagnostics.route.unsubscribe(this.#onRoute)
    diagnostics.replay.unsubscribe(this.#onReplay)
    diagnostics.freshness.unsubscribe(this.#onFreshness)
  }

  #onRoute = (message: unknown): void => {
    const { scope, decision } = message as RouteEvent
    if (scope !== undefined) remember(this.#reasons, scope, decision.reason)
  }

  #onReplay = (message: unknown): void => {
    const { scope, reason } = message as ReplayEvent
    if (reason === undefined) return
    remember(this.#reasons, scope, reason)
  }

  #onFreshness = (message: unknown): void => {
    const event = message as FreshnessEvent
    if (event.scope !== undefined) remember(this.#freshness, event.scope, event)
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

/** Keeps what is said of a scope for as long as somebody may ask. */
function remember<Said>(said: Map<number, Said>, scope: number, what: Said): void {
  said.set(scope, what)
  for (const old of said.keys()) if (old < scope - MOST_PAGES) said.delete(old)
}
