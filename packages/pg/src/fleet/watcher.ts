import { type Backoff, type Lsn, pauseMillis, spread } from '@headwater/core/internal'
import pg from 'pg'
import { clientClassOf, internalsOf, onParameterStatus } from '../driver/pg-internals.ts'
import { AS_TEXT } from '../driver/send.ts'
import { Waiters } from './waiters.ts'

/** On which connection a question was put, and when, in ms of this process's monotonic clock: the answer is true between. */
export interface Asked {
  readonly connection: object
  readonly sentAt: number
  readonly receivedAt: number
}

/** A wait that runs in the server. */
export interface ServerWait {
  readonly waitsFrom: number
  /** What the server answers once it is at `target`, or `patienceMillis` later. */
  readonly text: (target: Lsn, patienceMillis: number) => string
  /** What that answer means; `undefined`: this server will never say when. */
  readonly read: (answer: string | null | undefined) => 'there' | 'not-yet' | undefined
}

/** What a watcher asks its server, again and again. */
export interface Watch<Sample> {
  /** Whose settings the connection has. */
  readonly pool: pg.Pool
  /** What is asked on a connection. */
  readonly textFor: (connection: object, now: number) => string
  /**
   * Makes a sample of the answer's only row.
   */
  readonly read: (row: readonly (string | null)[], asked: Asked) => Sample
  /** The pause between two questions while nobody waits, in ms. */
  readonly pauseMillis: number
  /**
   * How the server itself is asked to wait, where it is of major version `waitsFrom` or later. Default: the question is
   * put again and again.
   */
  readonly wait?: ServerWait
  /** Told of a connection that could not be made, or broke. */
  readonly onFailure: (error: unknown) => void
  /** How long the watch goes on when nobody looks any more, in ms; default 60,000. */
  readonly patienceMillis?: number
  /** Told when the watch has stopped, as nobody looks: what was learnt may be long out of date at the next look. */
  readonly onRest?: () => void
}

/** The pause between two questions while somebody waits, in ms. */
const EAGER_PAUSE_MILLIS = 10
const PATIENCE_MILLIS = 60_000
const BACKOFF: Backoff = { firstMillis: 250, maxMillis: 10_000 }
/** How long one answer may take, in ms; then its connection is given up. */
const TIMEOUT_MILLIS = 5_000

/**
 * Knows how one server is doing, from a connection of its own: many may ask and wait, one asks the server (F4).
 *
 * Begins when somebody looks, asks every 10 ms while somebody waits and now and then else, and stops a minute after the
 * last look. What it knows is forgotten with its connection: behind it may be another server, or one that has gone back.
 */
export class Watcher<Sample> {
  readonly #watch: Watch<Sample>
  readonly #waiters = new Waiters()
  readonly #abort = new AbortController()
  #latest: Sample | undefined
  #lookedAt = 0
  #isLookedAt = false
  #askedAt = 0
  #run: Promise<void> | undefined
  #wake: (() => void) | undefined

  constructor(watch: Watch<Sample>) {
    this.#watch = watch
  }

  /** The last sample; `undefined` while there is none. Each look keeps the watch going. */
  get latest(): Sample | undefined {
    // The clock is the loop's to read: this is asked for with every read.
    this.#isLookedAt = true
    if (this.#run === undefined && !this.#abort.signal.aborted) this.#run = this.#watchOn()
    return this.#latest
  }

  /**
   * Calls back with `true` once `isEnough` holds behind a sample, or with `false` after `maxWaitMillis` ms or at the end. The
   * `target` is where that may begin to be so.
   */
  waitUntil(
    isEnough: () => boolean,
    target: Lsn | undefined,
    maxWaitMillis: number,
    done: (isEnough: boolean) => void,
  ): void {
    void this.latest
    if (this.#abort.signal.aborted) return done(false)
    this.#waiters.add({ isEnough, target, done }, maxWaitMillis)
    if (this.#waiters.size === 1) this.#wake?.()
  }

  /** Asks now, unless that was done a moment ago: who cannot wait is served better the next time. */
  hurry(): void {
    void this.latest
    if (performance.now() - this.#askedAt >= EAGER_PAUSE_MILLIS) this.#wake?.()
  }

  /** Ends the watch and its connection. Who waits is told `false`. */
  async end(): Promise<void> {
    this.#abort.abort()
    this.#waiters.dismissAll()
    await this.#run
  }

  async #watchOn(): Promise<void> {
    let failures = 0
    while (this.#isWanted()) {
      try {
        await this.#watchConnection(() => {
          failures = 0
        })
      } catch (error) {
        failures += 1
        if (this.#abort.signal.aborted) break
        this.#watch.onFailure(error)
        await this.#sleep(pauseMillis(failures, BACKOFF, Math.random()), false)
      }
    }
    this.#run = undefined
    this.#watch.onRest?.()
  }

  #isWanted(): boolean {
    if (this.#abort.signal.aborted) return false
    const now = performance.now()
    if (this.#isLookedAt) this.#lookedAt = now
    this.#isLookedAt = false
    return this.#waiters.size > 0 || now - this.#lookedAt < (this.#watch.patienceMillis ?? PATIENCE_MILLIS)
  }

  /** Asks on one connection until nobody wants to know any more. Throws when the connection fails. */
  async #watchConnection(answered: () => void): Promise<void> {
    const { options } = this.#watch.pool
    const client = new (clientClassOf(options))(options)
    const leave = (): void => {
      client.connection.stream.destroy()
    }
    let failure: unknown
    let version = 0
    onParameterStatus(client, (name, value) => {
      if (name === 'server_version') version = Number.parseInt(value, 10)
    })
    client.on('error', (error) => {
      failure = error
      this.#forget()
    })
    this.#abort.signal.addEventListener('abort', leave, { once: true })
    try {
      await client.connect()
      // A process that has nothing else to do may end.
      internalsOf(client).unref()
      const waitsFrom = this.#watch.wait?.waitsFrom ?? Number.POSITIVE_INFINITY
      let mayWait = true
      while (this.#isWanted()) {
        this.#keep(await this.#ask(client))
        answered()
        const outcome = mayWait && version >= waitsFrom ? await this.#waitThere(client) : undefined
        if (outcome === 'refused') mayWait = false
        if (outcome !== 'waited')
          await this.#sleep(
            spread(this.#waiters.size > 0 ? EAGER_PAUSE_MILLIS : this.#watch.pauseMillis, Math.random()),
            true,
          )
        if (failure !== undefined) throw failure
      }
    } finally {
      this.#forget()
      this.#abort.signal.removeEventListener('abort', leave)
      await client.end().catch(() => undefined)
    }
  }

  /**
   * Lets the server say when the nearest wait may be over. `undefined` when there is nothing that it could say: then it
   * is asked at its usual pace, as an answer that comes at once would be asked for without a pause.
   */
  async #waitThere(client: pg.Client): Promise<'waited' | 'refused' | undefined> {
    const { wait } = this.#watch
    const { nearest } = this.#waiters
    if (wait === undefined || nearest === undefined) return undefined
    try {
      const rows = await ask(client, wait.text(nearest, EAGER_PAUSE_MILLIS))
      const answer = wait.read(rows[0]?.[0])
      if (answer !== 'there') return answer === undefined ? undefined : 'waited'
    } catch (error) {
      if (!(error instanceof pg.DatabaseError)) throw error
      // Cancelled, or a server that says 19 and is something else: this connection is asked again and again instead.
      this.#watch.onFailure(error)
      return 'refused'
    }
    this.#waiters.reached(nearest)
    return 'waited'
  }

  async #ask(client: pg.Client): Promise<Sample> {
    const { textFor, read } = this.#watch
    const sentAt = performance.now()
    this.#askedAt = sentAt
    const [row] = await ask(client, textFor(client, sentAt))
    if (row === undefined) throw new Error(`[headwater] ${client.host}:${client.port} answered a watcher with no row`)
    return read(row, { connection: client, sentAt, receivedAt: performance.now() })
  }

  #keep(sample: Sample): void {
    this.#latest = sample
    this.#waiters.sampled()
  }

  #forget(): void {
    this.#latest = undefined
    this.#wake?.()
  }

  /** Sleeps for `pause` ms, or until the watch ends; when `isLight` also until somebody begins to wait. */
  #sleep(pause: number, isLight: boolean): Promise<void> {
    const { signal } = this.#abort
    if (signal.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer)
        signal.removeEventListener('abort', wake)
        this.#wake = undefined
        resolve()
      }
      // Who waits has a timer of its own; this one keeps no process alive.
      const timer = setTimeout(wake, pause).unref()
      signal.addEventListener('abort', wake, { once: true })
      if (isLight) this.#wake = wake
    })
  }
}

/** Asks on a connection of our own, where pg's promise is as good as its callback. */
async function ask(client: pg.Client, text: string): Promise<readonly (readonly (string | null)[])[]> {
  const config = { text, rowMode: 'array' as const, types: AS_TEXT, query_timeout: TIMEOUT_MILLIS }
  const { rows } = await client.query<(string | null)[]>(config)
  return rows
}
