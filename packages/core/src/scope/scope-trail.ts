import type { QueryEvent } from '../diagnostics.ts'

/** The statements of one scope that went to the same server for the same reason. */
export interface TrailEntry extends Pick<QueryEvent, 'server' | 'region' | 'decision'> {
  readonly count: number
  /** How long they waited for that server, together, in ms. */
  readonly waited: number
}

/** One scope meets few servers and few reasons; whatever it does, no more is kept. */
const MOST_ENTRIES = 16

/** Which servers the statements of one scope were sent to, and why, in the order in which they were first met. */
export class ScopeTrail {
  readonly #entries = new Map<string, TrailEntry>()

  get entries(): readonly TrailEntry[] {
    return [...this.#entries.values()]
  }

  /** Notes that a statement was sent. */
  add({ server, region, decision, waited }: Omit<QueryEvent, 'scope'>): void {
    const key = `${server} ${decision.route} ${decision.reason}`
    const before = this.#entries.get(key)
    if (before === undefined && this.#entries.size === MOST_ENTRIES) return
    const entry = { server, region, decision, count: 1 + (before?.count ?? 0), waited: waited + (before?.waited ?? 0) }
    this.#entries.set(key, entry)
  }
}
