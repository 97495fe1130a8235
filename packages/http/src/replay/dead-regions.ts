/** How long a region that nobody could be reached in is left alone. */
const DEAD_MILLIS = 2_000
/** Replays that were asked for as long before the one that failed speak for the region, unless they failed too. */
const WITNESS_MILLIS = 5_000
/** How long a replay may take to fail: longer than the longest time that Fly's proxy tries. */
const KEPT_MILLIS = 60_000
const MOST_KEPT = 1_000

interface AskedReplay {
  readonly key: string
  readonly region: string
  readonly at: number
}

/**
 * The regions in which nobody could be reached a moment ago, so that no request waits for that again (P8).
 *
 * Nobody signs the header by which a proxy says so. So it counts only for a request that this instance has just had replayed, once, and only when the
 * replays before it have failed as well: one client alone cannot stop the others.
 */
export class DeadRegions {
  /** Those that did not come back, oldest first. */
  readonly #asked: AskedReplay[] = []
  readonly #deadUntil = new Map<string, number>()
  readonly #reachedAt = new Map<string, number>()

  /** Notes a replay that is asked for. Times are of a monotonic clock, in ms. */
  asked(request: { readonly method: string; readonly url: string }, region: string, now: number): void {
    this.#asked.push({ key: keyOf(request), region, at: now })
    while (this.#asked.length > MOST_KEPT || (this.#asked[0]?.at ?? now) < now - KEPT_MILLIS) this.#asked.shift()
  }

  /** Notes a request that says that the replay which this instance asked for has failed, after `tookMillis`. */
  cameBack(request: { readonly method: string; readonly url: string }, tookMillis: number, now: number): void {
    const failed = this.#takeOut(keyOf(request), tookMillis, now)
    if (failed === undefined) return
    const { region, at } = failed
    const hasWitness = this.#asked.some((one) => one.region === region && one.at <= at && one.at >= at - WITNESS_MILLIS)
    if (!hasWitness) this.#deadUntil.set(region, now + DEAD_MILLIS)
  }

  /**
   * Notes a try of this instance to connect there by itself, begun at `startedAt`. It needs no witness; but where others got through
   * meanwhile, it has waited for a place among them, and the region lives.
   */
  tried(region: string, isReached: boolean, startedAt: number, now: number): void {
    if (isReached) {
      this.#reachedAt.set(region, now)
      this.#deadUntil.delete(region)
    } else if ((this.#reachedAt.get(region) ?? Number.NEGATIVE_INFINITY) < startedAt) {
      this.#deadUntil.set(region, now + DEAD_MILLIS)
    }
  }

  /** The replay that it speaks of: of several for one address the one that was asked for about then. */
  #takeOut(key: string, tookMillis: number, now: number): AskedReplay | undefined {
    const away = ({ at }: AskedReplay): number => Math.abs(now - tookMillis - at)
    let best: AskedReplay | undefined
    for (const one of this.#asked) if (one.key === key && (best === undefined || away(one) < away(best))) best = one
    if (best !== undefined) this.#asked.splice(this.#asked.indexOf(best), 1)
    return best
  }

  /** Whether there may be any: else nothing else need be asked. */
  get areAny(): boolean {
    return this.#deadUntil.size > 0
  }

  /** Whether nobody there could be reached a moment ago. */
  isDead(region: string | undefined, now: number): boolean {
    if (region === undefined || this.#deadUntil.size === 0) return false
    const until = this.#deadUntil.get(region)
    if (until !== undefined && now >= until) this.#deadUntil.delete(region)
    return until !== undefined && now < until
  }
}

function keyOf({ method, url }: { readonly method: string; readonly url: string }): string {
  return `${method} ${url}`
}
