import { type Backoff, type Lsn, pauseMillis, runOutside, spread } from '@headwater/core/internal'
import pg from 'pg'
import { clientClassOf, internalsOf, onParameterStatus } from '../driver/pg-internals.ts'
import { AS_TEXT } from '../driver/send.ts'
import { Waiters } from './waiters.ts'
import type { Watch } from './watch.ts'

/** The pause between two questions while a caller waits. */
const EAGER_PAUSE_MILLIS = 10
const PATIENCE_MILLIS = 60_000
const BACKOFF: Backoff = { firstMillis: 250, maxMillis: 10_000 }
/** How long one answer may take. */
const TIMEOUT_MILLIS = 5_000

/**
 * Watches one server over a connection of its own: many callers look and wait, and only this connection asks (F4).
 *
 * It starts with the first look, asks every 10 ms while a caller waits and every `pauseMillis` otherwise, and stops a minute
 * after the last look. It forgets its sample when the connection is lost: the next one may lead to another server, or to one
 * that was set back.
 */
export class Watcher<Sample> {
  readonly #watch: Watch<Sample>
  readonly #waiters = new Waiters()
  readonly #abort = new AbortController()
  #latest: Sample | undefined
  #lookedAt = 0
  #isLookedAt = false
  #askedAt = 0
  #openSince: number | undefined
  #run: Promise<void> | undefined
  #wake: (() => void) | undefined

  constructor(watch: Watch<Sample>) {
    this.#watch = watch
  }

  /** The last sample; `undefined` while there is none. Each look keeps the watch going. */
  get latest(): Sample | undefined {
    // This runs with every read, so it does not read the clock: the loop does.
    this.#isLookedAt = true
    this.start()
    return this.#latest
  }

  /** The last sample, without a look: it keeps no watch going. */
  get known(): Sample | undefined {
    return this.#latest
  }

  /** When it began to wait for an answer, or for a connection; `undefined` while it waits for neither. */
  get openSince(): number | undefined {
    return this.#openSince
  }

  /** Begins to ask, unless it does already or has ended. */
  start(): void {
    if (this.#run === undefined && !this.#abort.signal.aborted) this.#run = runOutside(() => this.#watchOn())
  }

  /**
   * Calls back with `true` once `isEnough` holds after a sample, or with `false` after `maxWaitMillis` or at the end. `target` is
   * the position that may make it hold.
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

  /** Asks now, unless that was done in the last 10 ms: a caller that cannot wait is served better the next time. */
  hurry(): void {
    void this.latest
    if (performance.now() - this.#askedAt >= EAGER_PAUSE_MILLIS) this.#wake?.()
  }

  /** Ends the watch and its connection. Callers that wait are told `false`. */
  async end(): Promise<void> {
    this.#abort.abort()
    this.#waiters.dismissAll()
    await this.#run
  }

  async #watchOn(): Promise<void> {
    let failures = 0
    while (this.#isWanted()) {
      let hasAnswered = false
      try {
        await this.#watchConnection(() => {
          failures = 0
          hasAnswered = true
        })
      } catch (error) {
        failures += 1
        if (this.#abort.signal.aborted) break
        this.#watch.onFailure(isTimeout(error) ? 'silent' : hasAnswered ? 'lost' : 'refused', error)
        // A connection that broke is made anew at once: whether the server is there is what is to be known.
        if (failures > 1 || !hasAnswered) {
          await this.#sleep(Math.min(this.#watch.pause(), pauseMillis(failures, BACKOFF, Math.random())), false)
        }
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
    if (this.#watch.isUsed?.() === true) return true
    return this.#waiters.size > 0 || now - this.#lookedAt < (this.#watch.patienceMillis ?? PATIENCE_MILLIS)
  }

  /** Asks on one connection while the watch is wanted. Throws when the connection fails. */
  async #watchConnection(answered: () => void): Promise<void> {
    const { config, timeoutMillis = TIMEOUT_MILLIS, renewAfter = () => Number.POSITIVE_INFINITY } = this.#watch
    const client = new (clientClassOf(config))(withTimeout(config, timeoutMillis))
    const leave = (): void => {
      client.connection.stream.destroy()
    }
    let failure: unknown
    let version = 0
    let isRenewed = false
    onParameterStatus(client, (name, value) => {
      if (name === 'server_version') version = Number.parseInt(value, 10)
    })
    client.on('error', (error) => {
      failure = error
      this.#forget()
    })
    this.#abort.signal.addEventListener('abort', leave, { once: true })
    try {
      this.#openSince = performance.now()
      const connected = client.connect()
      // This connection alone keeps no process alive, not while it is made and not with TLS around it.
      internalsOf(client).unref()
      await connected
      internalsOf(client).unref()
      const waitsFrom = this.#watch.wait?.waitsFrom ?? Number.POSITIVE_INFINITY
      const connectedAt = performance.now()
      let mayWait = true
      while (this.#isWanted()) {
        this.#keep(await this.#ask(client))
        answered()
        const outcome = mayWait && version >= waitsFrom ? await this.#waitThere(client) : undefined
        if (outcome === 'refused') mayWait = false
        if (outcome !== 'waited')
          await this.#sleep(
            spread(this.#waiters.size > 0 ? EAGER_PAUSE_MILLIS : this.#watch.pause(), Math.random()),
            true,
          )
        if (failure !== undefined) throw failure
        isRenewed = performance.now() - connectedAt >= renewAfter()
        if (isRenewed) return
      }
    } finally {
      this.#openSince = undefined
      // What it said still holds, unless the next connection says otherwise.
      if (isRenewed) leave()
      else this.#forget()
      this.#abort.signal.removeEventListener('abort', leave)
      await client.end().catch(() => undefined)
    }
  }

  /**
   * Lets the server wait for the nearest position. `undefined` when there is none, or the server cannot wait for it: then it is
   * asked at the usual pace, because an answer that comes at once would be asked for without a pause.
   */
  async #waitThere(client: pg.Client): Promise<'waited' | 'refused' | undefined> {
    const { wait, timeoutMillis = TIMEOUT_MILLIS } = this.#watch
    const { nearest } = this.#waiters
    if (wait === undefined || nearest === undefined) return undefined
    try {
      const rows = await ask(client, wait.text(nearest, EAGER_PAUSE_MILLIS), timeoutMillis)
      const answer = wait.read(rows[0]?.[0])
      if (answer !== 'there') return answer === undefined ? undefined : 'waited'
    } catch (error) {
      if (!(error instanceof pg.DatabaseError)) throw error
      // Cancelled, or a server that only reports version 19: on this connection it is asked at the usual pace from now on.
      this.#watch.onFailure('lost', error)
      return 'refused'
    }
    this.#waiters.reached(nearest)
    return 'waited'
  }

  async #ask(client: pg.Client): Promise<Sample> {
    const { textFor, read, timeoutMillis = TIMEOUT_MILLIS } = this.#watch
    const sentAt = performance.now()
    this.#askedAt = sentAt
    this.#openSince = sentAt
    const overdue = this.#startOverdue()
    const [row] = await ask(client, textFor(client, sentAt), timeoutMillis).finally(() => clearTimeout(overdue))
    this.#openSince = undefined
    if (row === undefined)
      throw new Error(`[headwater] ${client.host}:${client.port} answered a watcher without a row; expected one`)
    return read(row, { connection: client, sentAt, receivedAt: performance.now() })
  }

  #startOverdue(): NodeJS.Timeout | undefined {
    const { onOverdue, overdueAfterMillis } = this.#watch
    return onOverdue === undefined ? undefined : setTimeout(onOverdue, overdueAfterMillis).unref()
  }

  #keep(sample: Sample): void {
    this.#latest = sample
    this.#waiters.sampled(this.#watch.positionOf?.(sample))
  }

  #forget(): void {
    this.#latest = undefined
    this.#wake?.()
  }

  /** Sleeps for `pause` ms, or until the watch ends; when `isLight`, also until a caller begins to wait. */
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
      // A caller that waits has a timer of its own; this one keeps no process alive.
      const timer = setTimeout(wake, pause).unref()
      signal.addEventListener('abort', wake, { once: true })
      if (isLight) this.#wake = wake
    })
  }
}

/** Sends one query on the watcher's own connection, and gives its rows as text. */
async function ask(
  client: pg.Client,
  text: string,
  timeoutMillis: number,
): Promise<readonly (readonly (string | null)[])[]> {
  const config = { text, rowMode: 'array' as const, types: AS_TEXT, query_timeout: timeoutMillis }
  const { rows } = await client.query<(string | null)[]>(config)
  return rows
}

/** pg hides the password from a spread. */
function withTimeout(config: pg.PoolConfig, connectionTimeoutMillis: number): pg.ClientConfig {
  const { connectionTimeoutMillis: own } = config
  const copy: pg.ClientConfig = Object.defineProperties({}, Object.getOwnPropertyDescriptors(config))
  copy.connectionTimeoutMillis = Math.min(own || Number.POSITIVE_INFINITY, connectionTimeoutMillis)
  return copy
}

/** Source: pg 8.23, the messages of a query and of a connection that took too long; neither has a code. */
function isTimeout(error: unknown): boolean {
  return error instanceof Error && (error.message === 'Query read timeout' || error.message === 'timeout expired')
}
