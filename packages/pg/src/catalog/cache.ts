import {
  type Access,
  type Backoff,
  createKnowledge,
  type Knowledge,
  pauseMillis,
  runOutside,
  type Statement,
} from '@headwater/core/internal'
import type pg from 'pg'
import type { OwnConnection } from '../driver/own-connection.ts'
import { MAX_AGE_MILLIS, REFRESH_AFTER_MILLIS } from '../options/catalog-options.ts'
import { checkOverrides } from '../options/overrides.ts'
import { CatalogAge, type CatalogStanding, type CatalogState } from './catalog-age.ts'
import type { CatalogReading } from './load.ts'
import { mayChangeSchema } from './schema-change.ts'
import { SchemaChangers } from './schema-changers.ts'

/** Options of {@link CatalogCache}. */
export interface CatalogCacheOptions {
  /**
   * Connects to the nearest node, or only to the primary: once this pool has changed the schema, a replica may not have the
   * change yet. `changed` leads to the server whose catalog has proved to be newer. When `signal` aborts, it must reject soon and
   * leave no socket.
   */
  readonly open: (signal: AbortSignal, isPrimaryOnly: boolean, changed: pg.Pool | undefined) => Promise<OwnConnection>
  /** Reads the catalog over what was opened, with the overrides. */
  readonly read: (connection: OwnConnection, functions: Readonly<Record<string, Access>>) => Promise<CatalogReading>
  /** Called with all new knowledge, also at construction when there are overrides. Must not throw. */
  readonly onKnowledge: (knowledge: Knowledge) => void
  /** Called when a load failed; another one follows by itself. Must not throw. */
  readonly onFailure?: ((error: unknown) => void) | undefined
  /** The overrides, as in `loadCatalog`; they hold from the start. */
  readonly functions?: Readonly<Record<string, Access>> | undefined
  /**
   * Age at which the catalog is read again, at the next statement, in ms.
   *
   * @default 600_000
   */
  readonly refreshAfterMillis?: number | undefined
  /**
   * The greatest age of a server's word that its catalog is not newer than the known one, in ms.
   *
   * @default 5000
   */
  readonly maxAgeMillis?: number | undefined
  /**
   * A monotonic clock, in ms.
   *
   * @default performance.now
   */
  readonly now?: (() => number) | undefined
}

const BACKOFF: Backoff = { firstMillis: 1000, maxMillis: 300_000 }
/** The longest pause after a failure while the catalog is outdated, or a replica's is newer: until the next load no replica is read. */
const OUTDATED_BACKOFF_MILLIS = 10_000
/** The least time between the starts of two loads, however often a standby proves the catalog wrong. */
const DOUBT_PAUSE_MILLIS = 5000
/** The same behind a change of the schema: a migration makes many. */
const CHANGE_PAUSE_MILLIS = 1000
/** How many missed names are remembered. */
const MISSED = 1000

/**
 * Keeps the catalog of one database.
 *
 * It is loaded in the background at the first statement, and again when it is old, when a standby has proven it wrong, when a
 * statement uses a name that is not in it, when this pool has changed the schema, and when a server that is read has a newer one. It
 * blocks no query and holds no timer: a load that is due starts with the next statement.
 */
export class CatalogCache {
  readonly #options: CatalogCacheOptions
  readonly #functions: Readonly<Record<string, Access>>
  readonly #refreshAfterMillis: number
  readonly #now: () => number
  readonly #ended = new AbortController()
  #due = Number.NEGATIVE_INFINITY
  #startedAt = Number.NEGATIVE_INFINITY
  #isDoubted = false
  /** How many changes of the schema were sent and have not ended; and a count of all that were sent or have ended. */
  #underway = 0
  #changes = 0
  #isOutdated = false
  readonly #age: CatalogAge
  /** Leads to a server with a newer catalog, until that is read. */
  #changed: pg.Pool | undefined
  #changers = SchemaChangers.NONE
  /** How long the last load took, in ms. */
  #took = 0
  readonly #missed = new Map<string, { readonly until: number; readonly pause: number }>()
  #failures = 0
  #isLoaded = false
  #running: Promise<Knowledge> | undefined
  #connection: OwnConnection | undefined

  /** @throws {OptionsInvalid} when `functions` is not a record of accesses. */
  constructor(options: CatalogCacheOptions) {
    this.#options = options
    this.#functions = checkOverrides('functions', options.functions)
    this.#refreshAfterMillis = options.refreshAfterMillis ?? REFRESH_AFTER_MILLIS
    this.#age = new CatalogAge(options.maxAgeMillis ?? MAX_AGE_MILLIS)
    this.#now = options.now ?? (() => performance.now())
    if (Object.keys(this.#functions).length > 0) options.onKnowledge(createKnowledge({ overrides: this.#functions }))
  }

  /** Whether it was ever loaded. A later load that fails takes nothing away. */
  get isLoaded(): boolean {
    return this.#isLoaded
  }

  /** Call with each statement: starts a load in the background when one is due. */
  touch(): void {
    if (this.#now() < this.#due || this.#ended.signal.aborted) return
    this.refresh().catch(() => undefined)
  }

  /** Whether this pool has changed the schema since the last load, or is about to. */
  get isOutdated(): boolean {
    return this.#isOutdated
  }

  /** The number of the catalog that is known, 0 for none: it grows with each that differs from the one before. */
  get generation(): number {
    return this.#age.generation
  }

  /** How a server's catalog stands to the one that is known. */
  standingOf(server: object, now: number): CatalogStanding {
    return this.#age.standingOf(server, now)
  }

  /** Notes what a server said that `pool` leads to. The catalog is read again there when it is newer. */
  heard(server: object, pool: pg.Pool, state: CatalogState, askedAt: number): void {
    const isAhead = this.#age.heard(server, state, askedAt)
    // What is being read may be this very change.
    if (!isAhead || this.#running !== undefined) return
    this.#changed = pool
    this.#hasten(this.#changePause)
  }

  /** Whether a statement may change what is in the catalog, by itself or by a function that it calls. */
  mayBeChangedBy(statement: Statement, text: string | undefined): boolean {
    if (mayChangeSchema(statement, text)) return true
    return text !== undefined && statement.access !== 'read' && this.#changers.mayBeCalledBy(text)
  }

  /** Call before a change of the schema is sent: from now on the catalog is outdated. */
  changeSent(): void {
    this.#underway += 1
    this.#changes += 1
    this.#isOutdated = true
  }

  /** Call when its transaction has ended, one way or another: after the last of them the catalog is read again soon. */
  changeEnded(): void {
    this.#underway -= 1
    this.#changes += 1
    if (this.#underway > 0) return
    this.#hasten(this.#changePause)
  }

  /**
   * A statement uses a name that is not in the catalog: it is read again soon, as after {@link doubt}. While the name stays
   * missing, its pause doubles each time, up to `refreshAfterMillis`.
   */
  miss(name: string | undefined): void {
    const now = this.#now()
    const missed = name === undefined ? undefined : this.#missed.get(name)
    if (name === undefined || (missed !== undefined && now < missed.until)) return this.touch()
    const pause = missed === undefined ? DOUBT_PAUSE_MILLIS : Math.min(missed.pause * 2, this.#refreshAfterMillis)
    this.#missed.delete(name)
    this.#missed.set(name, { until: now + pause, pause })
    if (this.#missed.size > MISSED) {
      const [oldest] = this.#missed.keys()
      if (oldest !== undefined) this.#missed.delete(oldest)
    }
    this.doubt()
  }

  /** The catalog was proven wrong, or is incomplete: it is read again soon, however often this is called. */
  doubt(): void {
    this.#isDoubted = true
    this.#hasten(DOUBT_PAUSE_MILLIS)
  }

  /**
   * Reads the catalog now, or joins the load that is running.
   *
   * Rejects with the driver's error, or the signal's reason when the cache has ended.
   */
  refresh(): Promise<Knowledge> {
    this.#running ??= runOutside(() =>
      this.#load().finally(() => {
        this.#running = undefined
      }),
    )
    return this.#running
  }

  /** Stops a load that is running, and starts no other. */
  async end(): Promise<void> {
    this.#ended.abort(new Error('the pool has ended'))
    await this.#connection?.end()
    await this.#running?.catch(() => undefined)
  }

  async #load(): Promise<Knowledge> {
    const { signal } = this.#ended
    this.#due = Number.POSITIVE_INFINITY
    this.#startedAt = this.#now()
    this.#isDoubted = false
    const changes = this.#changes
    const isAtRest = this.#underway === 0
    // A server that is ahead of what is known has the changes of this pool that are known.
    const isPrimaryOnly = this.#isOutdated || (changes > 0 && this.#changed === undefined)
    try {
      signal.throwIfAborted()
      this.#connection = await this.#options.open(signal, isPrimaryOnly, this.#changed)
      signal.throwIfAborted()
      const { pool } = this.#connection
      const askedAt = this.#now()
      const { knowledge, state, changers } = await this.#options.read(this.#connection, this.#functions)
      signal.throwIfAborted()
      this.#failures = 0
      // A change that was made during the load may not be in it.
      if (isAtRest && changes === this.#changes) this.#isOutdated = false
      this.#changed = undefined
      this.#changers = changers
      this.#took = this.#now() - this.#startedAt
      this.#due = this.#nextDue()
      this.#options.onKnowledge(knowledge)
      this.#age.loaded(pool, state, askedAt)
      this.#isLoaded = true
      return knowledge
    } catch (error) {
      if (signal.aborted) throw signal.reason
      this.#failures += 1
      this.#due = this.#now() + this.#pause()
      this.#options.onFailure?.(error)
      throw error
    } finally {
      await this.#connection?.end()
      this.#connection = undefined
    }
  }

  /** Makes a load due `pause` ms after the start of the last one, unless one is due earlier. After a failure the back-off decides. */
  #hasten(pause: number): void {
    if (this.#running === undefined && this.#failures === 0) this.#due = Math.min(this.#due, this.#startedAt + pause)
    this.touch()
  }

  /** A large catalog is not read one time after another while a migration runs. */
  get #changePause(): number {
    return Math.max(CHANGE_PAUSE_MILLIS, 2 * this.#took)
  }

  #nextDue(): number {
    if (this.#isOutdated && this.#underway === 0) return this.#startedAt + this.#changePause
    return this.#isDoubted ? this.#startedAt + DOUBT_PAUSE_MILLIS : this.#now() + this.#refreshAfterMillis
  }

  #pause(): number {
    const isUrgent = this.#isOutdated || this.#changed !== undefined
    const maxMillis = isUrgent ? OUTDATED_BACKOFF_MILLIS : BACKOFF.maxMillis
    return pauseMillis(this.#failures, { ...BACKOFF, maxMillis }, Math.random())
  }
}
