import {
  compareFreshness,
  type Position,
  positionAtPrimary,
  type ReadPosition,
  type ReplicaState,
  UNKNOWN_POSITION,
  type WriteOutcome,
} from '@headwater/core/internal'
import type { Fleet } from '../fleet/fleet.ts'
import type { Monitor } from '../fleet/monitor.ts'
import type { PoolNode } from '../node/pool-node.ts'
import { placingPauseMillis } from './placing-pause.ts'

/**
 * How long a position is kept once all replicas have it, and reads stay at the primary after a write whose outcome is unknown:
 * as long as a client's token lives by default. A replica that crashes may come back a little older.
 */
const KEPT_MILLIS = 60_000

/**
 * What this pool has written outside any scope, until its replicas are known to have it (R9).
 *
 * A write only counts. The read that follows runs at the primary, and the position is asked for behind it; once that is known,
 * a replica that has reached it is read from again. Until the first write this costs a read the look at two fields.
 */
export class OwnWrites {
  readonly #fleet: Fleet
  readonly #watch: Monitor
  /** Whether a commit may have been answered before it was flushed. */
  isCommitAsync = false
  /** The writes that were sent since the position. */
  #writes = 0
  #underway = 0
  #position: ReadPosition | undefined
  #lastPosition: ReadPosition | undefined
  #asking: Promise<void> | undefined
  /** When it was last asked for, in ms of this process's monotonic clock; so are the next two. */
  #askedAt = Number.NEGATIVE_INFINITY
  /** When the outcome of a write was last lost: the server may commit it yet. */
  #lostAt = Number.NEGATIVE_INFINITY
  /** The local replicas that are not known to have the position. */
  readonly #behind = new Set<PoolNode>()
  /** Since when there is none. */
  #everywhereSince = Number.POSITIVE_INFINITY

  constructor(fleet: Fleet, watch: Monitor) {
    this.#fleet = fleet
    this.#watch = watch
    watch.onSample((node, state) => this.#noteState(node, state))
    // Who hears of a change reads it next, and whoever made it need not be this process.
    fleet.members.each((node) => {
      node.eachPool((pool) => pool.on('connect', (client) => client.on('notification', () => this.doubt())))
    })
    fleet.members.onLeave((node) => this.#behind.delete(node))
  }

  /** Whether something was written whose position is not known: then only the primary is sure to have it. */
  get isUnplaced(): boolean {
    return this.#writes > 0
  }

  /** The position that a replica must have reached; `undefined` when any replica will do. */
  get position(): ReadPosition | undefined {
    if (this.#position === undefined) return undefined
    if (this.#behind.size === 0 && performance.now() - this.#everywhereSince > KEPT_MILLIS) this.#position = undefined
    return this.#position
  }

  /** The same for a replica of another region, which may not have it when all that are next door do (X10). */
  get positionFarAway(): ReadPosition | undefined {
    return this.#lastPosition
  }

  /** Call before a write is sent. */
  writeSent(): void {
    this.#writes += 1
    this.#underway += 1
  }

  /** Call once for each `writeSent()`, when its transaction has ended. */
  writeEnded(outcome: WriteOutcome): void {
    this.#underway -= 1
    if (outcome === 'unknown') this.#lostAt = performance.now()
  }

  /** Call instead of `writeEnded()` when no connection could be made: then nothing was written. */
  writeNotSent(): void {
    this.#underway -= 1
    this.#writes -= 1
  }

  /** Call when the position does not say any more what a read must see: it is asked for again. */
  doubt(): void {
    this.#writes += 1
  }

  /** Asks the primary for its position, if that helps: call after a read that had to go there. Never throws. */
  place(): void {
    if (this.#writes === 0 || this.#underway > 0 || this.#asking !== undefined) return
    const now = performance.now()
    const pause = placingPauseMillis(this.#fleet)
    if (pause === undefined || now - this.#askedAt < pause || now - this.#lostAt < KEPT_MILLIS) return
    if (this.#fleet.primary.hasEnded) return
    this.#asking = this.#ask(now)
  }

  /** The position that a replica must have reached, asked for if need be; `UNKNOWN_POSITION` where it cannot be had. Never rejects. */
  async placeNow(): Promise<ReadPosition | undefined> {
    // A question that is under way may be older than the last write.
    await this.#asking
    const now = performance.now()
    if (this.#writes > 0 && this.#underway === 0 && now - this.#lostAt >= KEPT_MILLIS) {
      this.#asking ??= this.#ask(now)
      await this.#asking
    }
    return this.isUnplaced ? UNKNOWN_POSITION : this.position
  }

  async #ask(now: number): Promise<void> {
    this.#askedAt = now
    const writes = this.#writes
    try {
      const position = await this.#fleet.whereIsPrimary(this.isCommitAsync)
      // What was sent meanwhile may be later than this position.
      if (this.#underway === 0 && this.#writes === writes) this.#take(position)
    } catch {
      // It stays unknown, and reads stay at the primary.
    } finally {
      this.#asking = undefined
    }
  }

  #take(position: Position): void {
    this.#writes = 0
    this.#position = positionAtPrimary(this.#position, position)
    this.#lastPosition = this.#position
    this.#everywhereSince = performance.now()
    const { local } = this.#fleet
    // Behind a load balancer each read asks its own connection, and no answer stands for all servers there.
    for (const node of local) if (node.traits.isOneServer) this.#behind.add(node)
    for (const node of local) this.#noteState(node, this.#watch.stateOf(node))
    this.#watch.hurry(local)
  }

  #noteState(node: PoolNode, state: ReplicaState | undefined): void {
    if (this.#behind.size === 0 || this.#position === undefined) return
    if (compareFreshness(state, this.#position) !== 'caught-up' || !this.#behind.delete(node)) return
    this.#everywhereSince = performance.now()
  }
}
