import type { Lsn, Position } from '@headwater/core/internal'
import type { PrimarySample } from './primary-sample.ts'

/** How far a replica is behind, at most. */
export interface Lag {
  /** ms; `Infinity` when nothing is known. */
  readonly time: number
  /** Bytes of log that it has not replayed; `Infinity` when nothing is known. */
  readonly bytes: number
}

const UNKNOWN: Lag = Object.freeze({ time: Number.POSITIVE_INFINITY, bytes: Number.POSITIVE_INFINITY })
const MOST_SAMPLES = 1024

/**
 * When the primary was where, as far as it was asked: what a replica's position means in time (F6).
 *
 * Neither the servers' clocks nor the last replayed commit are asked: those grow on an idle primary, and stand still with a
 * dead receiver. A replica that has all that the primary had when it was asked at `t` lags by no more than `now - t`.
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

  /** Nobody asks any more: the primary may go on, and a replica that does not would look as if it had all. */
  forget(): void {
    this.#samples.length = 0
  }

  /** How far one that has replayed up to `replica` is behind at `now`. */
  lagOf(replica: Position, now: number): Lag {
    const last = this.#samples.at(-1)
    if (last === undefined || last.timeline !== replica.timeline || last.cluster !== replica.cluster) return UNKNOWN
    const bytes = Number(behind(last.lsn, replica.lsn))
    for (let index = this.#samples.length - 1; index >= 0; index -= 1) {
      const sample = this.#samples[index]
      if (sample !== undefined && sample.lsn <= replica.lsn) return { time: now - sample.sentAt, bytes }
    }
    return { time: Number.POSITIVE_INFINITY, bytes }
  }
}

function behind(primary: Lsn, replica: Lsn): bigint {
  return primary > replica ? primary - replica : 0n
}
