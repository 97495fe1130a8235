import type { ServerResponse } from 'node:http'
import type { Journey, Kind } from './journey.ts'
import type { Lag } from './lag-sampler.ts'
import type { RegionCode } from './regions.ts'
import type { Paused } from './world.ts'

export interface RegionState {
  readonly code: RegionCode
  readonly isRegionDown: boolean
  readonly isDatabaseUp: boolean
  readonly paused: Paused
  /** Whether it applies what it gets a little later than it must. */
  readonly isLate: boolean
  readonly lag: Lag
}

/** What the page is told; each arrives as a server-sent event of that name. */
export interface FeedEvents {
  readonly state: readonly RegionState[]
  readonly started: {
    readonly id: number
    readonly kind: Kind
    readonly region: RegionCode
    readonly isTokenless: boolean
  }
  readonly journey: Journey & { readonly id: number; readonly story: string; readonly at: number }
  readonly notice: { readonly text: string }
}

const KEPT = 30
const HEARTBEAT = 15_000

/** Tells every open page the same, and newcomers what they missed. */
export class LiveFeed implements Disposable {
  readonly #viewers = new Set<ServerResponse>()
  readonly #journeys: string[] = []
  readonly #heartbeat: NodeJS.Timeout
  #state = ''

  constructor() {
    this.#heartbeat = setInterval(() => this.#write(': still here\n\n'), HEARTBEAT)
  }

  get isWatched(): boolean {
    return this.#viewers.size > 0
  }

  tell<Name extends keyof FeedEvents>(name: Name, message: FeedEvents[Name]): void {
    const block = `event: ${name}\ndata: ${JSON.stringify(message)}\n\n`
    if (name === 'state') {
      if (block === this.#state) return
      this.#state = block
    }
    if (name === 'journey') {
      this.#journeys.push(block)
      if (this.#journeys.length > KEPT) this.#journeys.shift()
    }
    this.#write(block)
  }

  /** Answers a request with the feed, for as long as its client listens. */
  join(response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
    // What is past is told again, but is no news: the page must not announce it.
    const past = this.#journeys.map((block) => block.replace('event: journey', 'event: past')).join('')
    response.write(`retry: 1000\n\n${this.#state}${past}`)
    this.#viewers.add(response)
    response.once('close', () => this.#viewers.delete(response))
  }

  [Symbol.dispose](): void {
    clearInterval(this.#heartbeat)
    for (const viewer of this.#viewers) viewer.end()
  }

  #write(block: string): void {
    for (const viewer of this.#viewers) viewer.write(block)
  }
}
