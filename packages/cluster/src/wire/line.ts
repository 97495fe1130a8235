import type { Socket } from 'node:net'

/** What becomes of the bytes of one direction: they arrive, wait, or vanish. */
export type Flow = 'pass' | 'held' | 'lost'

/** How slow a line is. */
export interface Pace {
  /** How late each byte arrives, in ms. */
  readonly latencyMillis: number
  readonly bytesPerSecond: number
}

export const FULL_PACE: Pace = { latencyMillis: 0, bytesPerSecond: Number.POSITIVE_INFINITY }

/** What is under way: bytes, or how the sender has ended. */
type Parcel = Buffer | 'end' | 'reset'

/** How much may be under way before the sender has to wait, in bytes. */
const MOST_UNDER_WAY = 1_048_576
/** A slow line delivers this many times a second, so that it is slow and does not stutter. */
const DELIVERIES_PER_SECOND = 20

/** One direction of one connection. */
export class Line {
  readonly #from: Socket
  readonly #to: Socket
  readonly #parcels: { readonly parcel: Parcel; dueAt: number }[] = []
  #flow: Flow = 'pass'
  #pace: Pace
  #underWay = 0
  #freeAt = 0
  #timer: NodeJS.Timeout | undefined
  #hasLost = false

  constructor(from: Socket, to: Socket, pace: Pace) {
    this.#from = from
    this.#to = to
    this.#pace = pace
    to.on('drain', () => this.#mayReadOn())
  }

  /** Whether bytes, or the end, of the sender were lost: then the receiver can make no sense of what comes next. */
  get hasLost(): boolean {
    return this.#hasLost
  }

  set flow(flow: Flow) {
    this.#flow = flow
    if (flow === 'lost' && this.#parcels.length > 0) this.#lose()
    this.#deliver()
  }

  /** What is under way comes no later than what is sent now. */
  set pace(pace: Pace) {
    if (pace === this.#pace) return
    this.#pace = pace
    this.#freeAt = 0
    const latest = performance.now() + pace.latencyMillis
    for (const parcel of this.#parcels) parcel.dueAt = Math.min(parcel.dueAt, latest)
    this.#deliver()
  }

  send(parcel: Parcel): void {
    if (this.#flow === 'lost') {
      this.#hasLost = true
      return
    }
    const { latencyMillis, bytesPerSecond } = this.#pace
    if (typeof parcel === 'string' || bytesPerSecond === Number.POSITIVE_INFINITY) {
      this.#push(parcel, latencyMillis)
    } else {
      const size = Math.max(1, Math.floor(bytesPerSecond / DELIVERIES_PER_SECOND))
      for (let at = 0; at < parcel.length; at += size) this.#push(parcel.subarray(at, at + size), latencyMillis)
    }
    this.#deliver()
  }

  dispose(): void {
    clearTimeout(this.#timer)
    this.#parcels.length = 0
  }

  #push(parcel: Parcel, latencyMillis: number): void {
    const size = typeof parcel === 'string' ? 0 : parcel.length
    const now = performance.now()
    this.#freeAt = Math.max(now, this.#freeAt) + (1000 * size) / this.#pace.bytesPerSecond
    this.#parcels.push({ parcel, dueAt: this.#freeAt + latencyMillis })
    this.#underWay += size
    if (this.#underWay > MOST_UNDER_WAY) this.#from.pause()
  }

  #deliver(): void {
    clearTimeout(this.#timer)
    while (this.#flow === 'pass') {
      const next = this.#parcels[0]
      if (next === undefined) break
      const left = next.dueAt - performance.now()
      if (left > 0) {
        this.#timer = setTimeout(() => this.#deliver(), left).unref()
        break
      }
      this.#parcels.shift()
      this.#hand(next.parcel)
    }
    this.#mayReadOn()
  }

  #hand(parcel: Parcel): void {
    if (parcel === 'reset') this.#to.resetAndDestroy()
    else if (!this.#to.writable) return
    else if (parcel === 'end') this.#to.end()
    else {
      this.#underWay -= parcel.length
      if (!this.#to.write(parcel)) this.#from.pause()
    }
  }

  #mayReadOn(): void {
    if (this.#underWay <= MOST_UNDER_WAY && !this.#to.writableNeedDrain) this.#from.resume()
  }

  #lose(): void {
    this.#hasLost = true
    this.#parcels.length = 0
    this.#underWay = 0
  }
}
