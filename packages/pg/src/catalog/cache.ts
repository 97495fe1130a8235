import { type Access, type Backoff, createKnowledge, type Knowledge, pauseMillis } from '@headwater/core/internal'
import type { OwnConnection } from '../driver/own-connection.ts'
import { REFRESH_AFTER_MILLIS } from '../options/catalog-options.ts'
import { checkOverrides } from '../options/overrides.ts'
import { loadCatalog } from './load.ts'

/** Options of {@link CatalogCache}. */
export interface CatalogCacheOptions {
  /**
   * Connects to whatever node is near, or only to the primary: once this pool has changed the schema, a replica may not have it
   * yet. When `signal` aborts, it must reject soon and leave no socket.
   */
  readonly open: (signal: AbortSignal, isPrimaryOnly: boolean) => Promise<OwnConnection>
  /** Called with what is known from now on, also at construction when there are overrides. Must not throw. */
  readonly onKnowledge: (knowledge: Knowledge) => void
  /** Called when a load failed; another one follows by itself. Must not throw. Default: nothing. */
  readonly onFailure?: ((error: unknown) => void) | undefined
  /** The user's own word, as in `loadCatalog`; it holds from the start. Default: none. */
  readonly functions?: Readonly<Record<string, Access>> | undefined
  /** Age in ms at which what is known is read again, at the next statement. Default 10 minutes. */
  readonly refreshAfterMillis?: number | undefined
  /** A monotonic clock in ms. Default `performance.now`. */
  readonly now?: (() => number) | undefined
}

const BACKOFF: Backoff = { firstMillis: 1000, maxMillis: 300_000 }
/** After a failure while what is known is outdated, in ms: until then nothing is read next door. */
const OUTDATED_BACKOFF_MILLIS = 10_000
/** However often a standby proves us wrong, at least this many ms lie between the starts of two loads. */
const DOUBT_PAUSE_MILLIS = 5000
/** A migration changes the schema many times: at least this many ms lie between the starts of two loads. */
const CHANGE_PAUSE_MILLIS = 1000
/** How many names that were missed are remembered. */
const MISSED = 1000

/**
 * Keeps what is known of one database: loaded at the first statement, in the background, and again when it is old, when
 * a standby has proven it wrong, when a statement names what it does not hold, and when this pool has changed the schema.
 * It blocks no query and holds no timer: what is due starts with a statement.
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
  /** How many changes of the schema were sent and have not ended, and how many have been sent or have ended at all. */
  #underway = 0
  #changes = 0
  #isOutdated = false
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
    this.#now = options.now ?? (() => performance.now())
    if (Object.keys(this.#functions).length > 0) options.onKnowledge(createKnowledge({ overrides: this.#functions }))
  }

  /** Whether it was loaded once. What is known then stays known when a later load fails. */
  get isLoaded(): boolean {
    return this.#isLoaded
  }

  /** To be called with each statement: starts a load in the background when one is due. */
  touch(): void {
    if (this.#now() < this.#due || this.#ended.signal.aborted) return
    this.refresh().catch(() => undefined)
  }

  /** Whether this pool has changed the schema, or is about to, since what is known was read. */
  get isOutdated(): boolean {
    return this.#isOutdated
  }

  /** Before a change of the schema is sent: from now on nothing goes by what is known. */
  changeSent(): void {
    this.#underway += 1
    this.#changes += 1
    this.#isOutdated = true
  }

  /** When its transaction has ended, one way or another: behind the last of them the catalog is read again, soon. */
  changeEnded(): void {
    this.#underway -= 1
    this.#changes += 1
    if (this.#underway > 0) return
    this.#hasten(CHANGE_PAUSE_MILLIS)
  }

  /**
   * A statement names what is not known: it is read again soon, as behind a {@link doubt}. For a name that is not there after
   * that either, the pause doubles each time, up to the age at which it is read again anyway.
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

  /** What is known has been proven wrong, or cannot be whole: it is read again soon, however often this is called. */
  doubt(): void {
    this.#isDoubted = true
    this.#hasten(DOUBT_PAUSE_MILLIS)
  }

  /**
   * Reads the catalog now, or joins the load that is under way.
   *
   * Rejects with the driver's error, or the signal's reason when the cache has ended.
   */
  refresh(): Promise<Knowledge> {
    this.#running ??= this.#load().finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  /** Stops a load that is under way and starts no other. */
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
    try {
      signal.throwIfAborted()
      this.#connection = await this.#options.open(signal, changes > 0)
      signal.throwIfAborted()
      const knowledge = await loadCatalog(this.#connection, { functions: this.#functions })
      signal.throwIfAborted()
      this.#failures = 0
      // What changed while it was read may not be in it.
      if (isAtRest && changes === this.#changes) this.#isOutdated = false
      this.#due = this.#nextDue()
      this.#options.onKnowledge(knowledge)
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

  /** Makes a load due so long after the start of the last one, if none is due earlier; one that fails has pauses of its own. */
  #hasten(pause: number): void {
    if (this.#running === undefined && this.#failures === 0) this.#due = Math.min(this.#due, this.#startedAt + pause)
    this.touch()
  }

  #nextDue(): number {
    if (this.#isOutdated && this.#underway === 0) return this.#startedAt + CHANGE_PAUSE_MILLIS
    return this.#isDoubted ? this.#startedAt + DOUBT_PAUSE_MILLIS : this.#now() + this.#refreshAfterMillis
  }

  #pause(): number {
    const maxMillis = this.#isOutdated ? OUTDATED_BACKOFF_MILLIS : BACKOFF.maxMillis
    return pauseMillis(this.#failures, { ...BACKOFF, maxMillis }, Math.random())
  }
}
