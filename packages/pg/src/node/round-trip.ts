/** How much of a slower answer counts for the round trip. */
const SLOWER_SHARE = 0.3
const ENOUGH_MEASURES = 3

/** How long a server takes to answer, without its slow answers. */
export class RoundTrip {
  /** In ms; `undefined` before the first answer. */
  millis: number | undefined
  #measures = 0

  /** Whether it is known well enough to be compared: the first answers may have come in a busy moment. */
  get isMeasured(): boolean {
    return this.#measures >= ENOUGH_MEASURES
  }

  /** Follows a faster answer at once, and a slower one little by little: it may be a busy moment. */
  measure(tookMillis: number): void {
    this.#measures += 1
    const before = this.millis ?? tookMillis
    this.millis = Math.min(tookMillis, before + (tookMillis - before) * SLOWER_SHARE)
  }
}
