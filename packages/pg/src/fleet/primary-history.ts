import type { Lsn, Position } from '@headwater/core/internal'
import type { PrimarySample } from './primary-sample.ts'

/** The most that a replica is behind. */
export interface Lag {
  /** `Infinity` when nothing is known. */
  readonly millis: number
  /** Bytes of log that it has not replayed; `Infinity` when nothing is known. */
  readonly bytes: number
}

const UNKNOWN: Lag = Object.freeze({ millis: Number.POSITIVE_INFINITY, bytes: Number.POSITIVE_INFINITY })
const MOST_SAMPLES = 1024

/**
 * The primary's positions over time, which turn a replica's position into a lag in time (F6).
 *
 * A replica that has all that the primary had when it was asked at `t` lags by no more than `now - t`. The age of the last
 * replayed commit is no measure: it grows while the primary is idle, and says nothing of a receiver that is dead.
 */
export class PrimaryHistory {
  /** The latest question for each position, oldest first. */
  readonly #samples: PrimarySample[] = []

  add(sample: PrimarySample): void {
    const last = this.#samples.at(-1)
    if (
      last !== undefined &&
      (last.timeline !== sample.timeline || last.cluster !== sample.cluster || sample.lsn < last.lsn)
    ) {
      this.#samples.length = 0
    } else if (last?.lsn === sample.lsn) {
      this.#samples.pop()
    }
    this.#samples.push(sample)
    if (this.#samples.length > MOST_SAMPLES) this.#samples.shift()
  }

  /** Call when the primary is no longer asked: while it goes on unseen, a replica that stands still would look caught up. */
  forget(): void {
    this.#samples.length = 0
  }

  /** How far a replica at position `replica` is behind at `now`. */
  lagOf(replica: Position, now: number): Lag {
    const last = this.#samples.at(-1)
    if (last === undefined || last.timeline !== replica.timeline || last.cluster !== replica.cluster) return UNKNOWN
    const bytes = Number(behind(last.lsn, replica.lsn))
    for (let index = this.#samples.length - 1; index >= 0; index -= 1) {
      const sample = this.#samples[index]
      if (sample !== undefined && sample.lsn <= replica.lsn) return { millis: now - sample.sentAt, bytes }
    }
    return { millis: Number.POSITIVE_INFINITY, bytes }
  }
}

function behind(primary: Lsn, replica: Lsn): bigint {
  return primary > replica ? primary - replica : 0n
}
