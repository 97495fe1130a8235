import { AsyncResource } from 'node:async_hooks'
import type pg from 'pg'
import { takeIdle } from '../driver/idle-client.ts'
import { forgetPending } from '../driver/pg-internals.ts'
import { isOptionsRefusal, type TrackedClient } from '../driver/tracked-client.ts'
import type { NodeRole } from './node-role.ts'

/** Gives back a session that was taken. */
export type Release = (destroy?: Error | boolean) => void

/** Is given a session, and the role that it was made for. */
export type Taken = (client: TrackedClient, role: NodeRole, release: Release) => void

/** The server whose sessions are waited for. */
export interface SessionSource {
  readonly pool: pg.Pool
  readonly role: NodeRole
  /** Called with each session that came. */
  gaveSession(): void
  /** Takes in why none came, to a caller that began at `since`, and says what the caller is told. */
  reasonFor(error: unknown, since: number): unknown
}

/** A caller that waits for a session. Whoever gives a connection back or opens one calls back: the caller goes on where it began. */
class Waiting {
  readonly #here = new AsyncResource('HeadwaterCaller')
  readonly #taken: Taken
  readonly #failed: (error: unknown) => void
  /** When it began to, by a monotonic clock in ms. */
  readonly since: number = performance.now()

  constructor(taken: Taken, failed: (error: unknown) => void) {
    this.#taken = taken
    this.#failed = failed
  }

  taken(client: TrackedClient, role: NodeRole, release: Release): void {
    this.#here.runInAsyncScope(this.#taken, undefined, client, role, release)
  }

  failed(error: unknown): void {
    this.#here.runInAsyncScope(this.#failed, undefined, error)
  }
}

/** The callers that wait for a session of one server. */
export class SessionQueue {
  readonly #source: SessionSource
  readonly #waiting = new Set<Waiting>()

  constructor(source: SessionSource) {
    this.#source = source
  }

  get isEmpty(): boolean {
    return this.#waiting.size === 0
  }

  /** Takes a session from the pool, in a later turn, and tells its server's verdict what came of it. */
  take(taken: Taken, failed: (error: unknown) => void): void {
    const { pool } = this.#source
    // One that is free comes at once: nobody waits.
    if (pool.idleCount > pool.waitingCount) return this.#takeNext(taken, failed)
    const waiting = new Waiting(taken, failed)
    this.#waiting.add(waiting)
    try {
      this.#ask(waiting, true)
    } catch (error) {
      // The app's own class of client can throw.
      this.#waiting.delete(waiting)
      process.nextTick(failed, error)
    }
  }

  /** Fails all who wait for a session of `pool`. A session that still comes for one of them goes back at once. */
  sendAway(pool: pg.Pool, error: unknown): void {
    for (const waiting of this.forget(pool)) waiting.failed(error)
  }

  /** Takes all who wait for a session of `pool` out of the queue. */
  forget(pool: pg.Pool): readonly Pick<Waiting, 'taken' | 'failed'>[] {
    if (this.isEmpty) return []
    const all = [...this.#waiting]
    this.#waiting.clear()
    // pg-pool would try to connect for each of them in turn, and the next caller would wait behind them.
    forgetPending(pool)
    return all
  }

  /** A session that is free, where it can be had now. */
  takeIdle(): TrackedClient | undefined {
    const client = takeIdle(this.#source.pool)
    if (client !== undefined) this.#source.gaveSession()
    return client as TrackedClient | undefined
  }

  #takeNext(taken: Taken, failed: (error: unknown) => void): void {
    const { pool, role } = this.#source
    pool.connect((error, client, release) => {
      if (client === undefined) return failed(this.#source.reasonFor(error, Number.POSITIVE_INFINITY))
      this.#source.gaveSession()
      taken(client as TrackedClient, role, release)
    })
  }

  #ask(waiting: Waiting, mayAskAgain: boolean): void {
    const { pool, role } = this.#source
    pool.connect((error, client, release) => {
      if (error && mayAskAgain && isOptionsRefusal(error) && this.#waiting.has(waiting))
        return this.#ask(waiting, false)
      const isStillWaiting = this.#waiting.delete(waiting)
      if (client === undefined) {
        const reason = this.#source.reasonFor(error, waiting.since)
        return isStillWaiting ? waiting.failed(reason) : undefined
      }
      this.#source.gaveSession()
      if (isStillWaiting) waiting.taken(client as TrackedClient, role, release)
      else release()
    })
  }
}
