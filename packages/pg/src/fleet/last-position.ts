import { NO_NODE, type Position, type PositionSource, type ReadPosition, runOutside } from '@headwater/core/internal'

/** How far apart two questions to the primary are at least, in ms: clients bring them about. */
const PAUSE_MILLIS = 1_000

/**
 * What the primary reported last. It includes all that any replica had shown before it was asked, so it can stand for what a
 * client saw there, which has no position of its own.
 */
export class LastPosition {
  readonly #source: PositionSource
  #known: { readonly position: Position; readonly askedAt: number } | undefined
  #askedAt = Number.NEGATIVE_INFINITY
  #isAsking = false

  constructor(source: PositionSource) {
    this.#source = source
  }

  /** The position, if the primary was asked at `time` or later, in ms of the wall clock. If not, asks it in the background. */
  since(time: number): ReadPosition | undefined {
    if (this.#known !== undefined && this.#known.askedAt >= time) return { ...this.#known.position, node: NO_NODE }
    const now = Date.now()
    const isTooSoon = now >= this.#askedAt && now < this.#askedAt + PAUSE_MILLIS
    if (now >= time && !this.#isAsking && !isTooSoon) void runOutside(() => this.#ask(now))
    return undefined
  }

  async #ask(askedAt: number): Promise<void> {
    this.#isAsking = true
    this.#askedAt = askedAt
    try {
      // A replica shows only what the primary has flushed.
      this.#known = { position: await this.#source.whereIsPrimary(false), askedAt }
    } catch {
      // It stays unknown, and a later call asks again.
    }
    this.#isAsking = false
  }
}
