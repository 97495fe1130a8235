import { PrimaryBusy } from '@headwater/core'
import { boundHere } from '../driver/bound-here.ts'
import type { Connected, PoolNode } from '../node/pool-node.ts'
import type { ResolvedReads } from '../options/read-options.ts'
import type { PrimaryAccess } from './primary-access.ts'

/** What it needs of the fleet. */
interface PrimaryHolder {
  readonly primary: PoolNode
}

/** A read that waits for a place: called once, with an error when none came free in time. */
type Waiting = (error: unknown) => void

/** How many reads may wait at once: more than this many cannot be answered in time anyway. */
const MOST_WAITING = 1_000

/**
 * The places that reads may have at the primary while no replica can answer them (X3): when a region loses its replicas, the
 * primary must not be stampeded, and writes find connections. A place is held as long as its connection.
 */
export class PrimaryPlaces {
  readonly #fleet: PrimaryHolder
  readonly #access: PrimaryAccess
  readonly #options: ResolvedReads['primaryReads']
  readonly #waiting = new Map<Waiting, NodeJS.Timeout>()
  #taken = 0

  constructor(fleet: PrimaryHolder, access: PrimaryAccess, options: ResolvedReads['primaryReads']) {
    this.#fleet = fleet
    this.#access = access
    this.#options = options
  }

  /** Whether a read would have to wait for none. */
  get hasFree(): boolean {
    return this.#waiting.size === 0 && this.#taken < this.#count
  }

  get #count(): number {
    return Math.max(1, Math.floor(this.#options.share * this.#fleet.primary.pool.options.max))
  }

  /** Takes a connection to the primary as `PrimaryAccess.connect` does, once there is a place. Gives a `PrimaryBusy` when none comes free in time. */
  connect(connected: Connected, deadline?: number): void {
    if (this.hasFree) return this.#connectNow(connected, deadline)
    const { waitMillis } = this.#options
    if (waitMillis === 0 || this.#waiting.size >= MOST_WAITING) return process.nextTick(connected, new PrimaryBusy())
    // Whoever gives a place back calls back: the read goes on where it began.
    const resume = boundHere((error: unknown): void => {
      if (error === undefined) this.#connectNow(connected, deadline)
      else connected(error)
    })
    const timer = setTimeout(() => {
      this.#waiting.delete(resume)
      resume(new PrimaryBusy())
    }, waitMillis)
    this.#waiting.set(resume, timer)
  }

  /** No more places come free: callers that wait are told. */
  end(error: unknown): void {
    const all = [...this.#waiting]
    this.#waiting.clear()
    for (const [resume, timer] of all) {
      clearTimeout(timer)
      resume(error)
    }
  }

  #connectNow(connected: Connected, deadline: number | undefined): void {
    this.#taken += 1
    this.#access.connect((error, connection) => {
      if (connection === undefined) {
        this.#giveBack()
        return connected(error)
      }
      const { release } = connection
      connection.release = (destroy) => {
        release(destroy)
        this.#giveBack()
      }
      connected(undefined, connection)
    }, deadline)
  }

  #giveBack(): void {
    this.#taken -= 1
    const [first] = this.#waiting
    if (first === undefined || this.#taken >= this.#count) return
    const [resume, timer] = first
    this.#waiting.delete(resume)
    clearTimeout(timer)
    resume(undefined)
  }
}
