import type { ClientSession } from '@headwater/core/internal'
import type { Fleet } from '../fleet/fleet.ts'
import type { Monitor } from '../fleet/monitor.ts'
import { placingPauseMillis } from './placing-pause.ts'

/** Finds out behind a read how far a replica must be for the next one. */
export interface Placing {
  /** Never throws. */
  place(): void
}

/** Brings the reads of jobs and long connections home again, once a replica has what they wrote (R4). */
export class JobWrites {
  readonly #fleet: Fleet
  readonly #watch: Monitor
  /** When each was asked for, in ms of this process's monotonic clock. */
  readonly #askedAt = new WeakMap<ClientSession, number>()

  constructor(fleet: Fleet, watch: Monitor) {
    this.#fleet = fleet
    this.#watch = watch
  }

  /** What to call behind a read at the primary. */
  of(session: ClientSession): Placing {
    return { place: () => this.#place(session) }
  }

  #place(session: ClientSession): void {
    if (!session.canBePlaced || this.#fleet.primary.hasEnded) return
    const pause = placingPauseMillis(this.#fleet)
    const now = performance.now()
    if (pause === undefined || now - (this.#askedAt.get(session) ?? Number.NEGATIVE_INFINITY) < pause) return
    this.#askedAt.set(session, now)
    void session.place().then(() => this.#watch.hurry(this.#fleet.local))
  }
}
