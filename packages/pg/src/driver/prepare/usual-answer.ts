const FASTER_SHARE = 1 / 8
const SLOWER_SHARE = 1 / 32
/** A slower answer counts no more than this beyond the usual, in ms: it may be the statement. */
const MOST_BEYOND_MILLIS = 5

/** How long a server usually takes to answer what is small, with the way there and whatever load there is. */
export class UsualAnswer {
  /** In ms; `undefined` before the first. */
  millis: number | undefined

  measure(tookMillis: number): void {
    const before = this.millis ?? tookMillis
    const share = tookMillis < before ? FASTER_SHARE : SLOWER_SHARE
    this.millis = before + (Math.min(tookMillis, before + MOST_BEYOND_MILLIS) - before) * share
  }
}
