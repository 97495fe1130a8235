import type { EventEmitter } from 'node:events'
import { OptionsInvalid } from '@headwater/core'
import type pg from 'pg'
import { emitterOf, internalsOf, onParameterStatus } from './pg-internals.ts'

/** What ReadyForQuery says of the session; `undefined` before the first and after the connection ended. */
export type SessionStatus = 'I' | 'T' | 'E' | undefined

/** A pg client that knows its server's role and whether its session is at rest, from what the server says unasked (X4). */
export interface TrackedClient extends pg.PoolClient {
  /** `in_hot_standby` (ParameterStatus, PostgreSQL 14 and later); `undefined` when the server does not report it. */
  readonly isStandby: boolean | undefined
  /** Whether `default_transaction_read_only` is on. */
  readonly isReadOnlyByDefault: boolean | undefined
  /** Whether the session began read-only (X1): what is merely tried runs in such a one only. Said once it is in the pool. */
  isForcedReadOnly: boolean
  readonly sessionStatus: SessionStatus
  /** Whether every query has been answered to its end (ReadyForQuery), or the connection is gone. */
  readonly isSettled: boolean
  /** Whether the connection is gone. */
  readonly isLost: boolean
  /** With which error it went. */
  readonly lostTo: Error | undefined
  /** Who hears the connection's events while it is leased. */
  owner: EventEmitter | undefined
  /** Calls back once the session is at rest, or gone; at once when it is. */
  whenSettled(callback: () => void): void
}

export interface TrackingOptions {
  /** Whether the next session is to be read-only from its startup message on (X1). */
  readonly asksForReadOnly: () => boolean
  /** Told of a startup message that was refused for that. */
  readonly onOptionsRefused: () => void
  /** Told at connect, and again after a promotion. */
  readonly onRole: (isStandby: boolean) => void
  /** Told of a connection that broke, in use or idle. */
  readonly onError: (error: Error) => void
}

/**
 * How long a connection may take to be made when the app does not say, in ms. pg has no limit, and waits for ever on a
 * host that drops packets. Given to the client, not to the pool: there it would also limit the wait for a free
 * connection, with a timer for every query.
 */
const CONNECT_TIMEOUT_MILLIS = 10_000

/** The events of a pg client that come from its connection. */
const FORWARDED = ['notification', 'notice', 'drain', 'end'] as const

/** Makes the client class of one node. `Base` is what the app gave as `Client`, or pg's own. */
export function trackedClientClass(Base: typeof pg.Client, options: TrackingOptions): typeof pg.Client {
  const { _handleReadyForQuery: handleReadyForQuery } = internalsOf(Base.prototype)
  class TrackedPgClient extends Base {
    isStandby: boolean | undefined
    isReadOnlyByDefault: boolean | undefined
    isForcedReadOnly = false
    sessionStatus: SessionStatus
    lostTo: Error | undefined
    #waiters: (() => void)[] = []
    #owner: EventEmitter | undefined
    #isForwarding = false

    constructor(config?: string | pg.ClientConfig) {
      super(withTimeout(config))
      if (this.connection === undefined) {
        throw new OptionsInvalid(
          'Client',
          "it has no connection of pg's own (is it pg-native?); expected pg.Client or a subclass of it",
        )
      }
      if (options.asksForReadOnly()) {
        forceReadOnly(this)
        const hear = (error: unknown): void => {
          if (isOptionsRefusal(error)) options.onOptionsRefused()
        }
        this.connection.on('errorMessage', hear)
        this.connection.once('readyForQuery', () => this.connection.off('errorMessage', hear))
      }
      onParameterStatus(this, (name, value) => {
        const isOn = value === 'on'
        if (name === 'default_transaction_read_only') this.isReadOnlyByDefault = isOn
        if (name !== 'in_hot_standby') return
        this.isStandby = isOn
        options.onRole(isOn)
      })
      this.connection.once('end', () => this.#lose(new Error('Connection terminated unexpectedly')))
      // Without a listener, a checked-out client that loses its connection ends the process. One for its whole life:
      // to add and remove one for each query costs more than to route it.
      this.on('error', (error) => {
        // pg sends nothing more on it, whether its socket is closed by now or not.
        this.#lose(error)
        options.onError(error)
        if (this.#owner !== undefined && this.#owner.listenerCount('error') > 0) this.#owner.emit('error', error)
      })
    }

    get owner(): EventEmitter | undefined {
      return this.#owner
    }

    set owner(owner: EventEmitter | undefined) {
      this.#owner = owner
      if (this.#isForwarding || owner === undefined) return
      this.#isForwarding = true
      for (const event of FORWARDED) {
        emitterOf(this).on(event, (...args: unknown[]) => this.#owner?.emit(event, ...args))
      }
    }

    get isLost(): boolean {
      return this.lostTo !== undefined
    }

    /** pg's own word: it sends a query that waits as soon as it is ready for one, so nothing is left to be answered. */
    get isSettled(): boolean {
      return this.isLost || internalsOf(this).readyForQuery
    }

    /**
     * pg's own handler of ReadyForQuery. A second listener for it would cost more per query than the decision where the
     * query goes. Were it no longer called, no connection would be at rest, and none would be used twice.
     */
    _handleReadyForQuery(message: { status?: SessionStatus }): void {
      this.sessionStatus = message.status
      handleReadyForQuery.call(this, message)
      this.#tellWaiters()
    }

    whenSettled(callback: () => void): void {
      if (this.isSettled) return callback()
      this.#waiters.push(callback)
      // A query that pg does not send (it has no text, say) is answered by nobody: pg is ready again right behind its error.
      process.nextTick(() => this.#tellWaiters())
    }

    #lose(error: Error): void {
      this.lostTo ??= error
      this.sessionStatus = undefined
      this.#tellWaiters()
    }

    #tellWaiters(): void {
      if (this.#waiters.length === 0 || !this.isSettled) return
      const waiters = this.#waiters
      this.#waiters = []
      // pg has its own turn at this message first: it hands the error or result to the query.
      process.nextTick(() => {
        for (const waiter of waiters) waiter()
      })
    }
  }
  return TrackedPgClient
}

function withTimeout(config: string | pg.ClientConfig | undefined): string | pg.ClientConfig | undefined {
  if (typeof config !== 'object' || config.connectionTimeoutMillis !== undefined) return config
  // pg hides the password from a spread.
  const copy: pg.ClientConfig = Object.defineProperties({}, Object.getOwnPropertyDescriptors(config))
  copy.connectionTimeoutMillis = CONNECT_TIMEOUT_MILLIS
  return copy
}

/**
 * Adds the setting to the startup message. Done on the parsed parameters: a connection string's own `options` would
 * override what the pool's configuration says.
 */
function forceReadOnly(client: object): void {
  const parameters = internalsOf(client).connectionParameters
  const setting = '-c default_transaction_read_only=on'
  parameters.options = parameters.options ? `${parameters.options} ${setting}` : setting
}

/**
 * Whether a startup message was refused for its `options`. Source: PgBouncer, whose texts are English always; 1.18
 * refuses the parameter itself, 1.20 and later a setting in it that it does not know.
 */
export function isOptionsRefusal(error: unknown): boolean {
  const { code, message } = Object(error) as { code?: unknown; message?: unknown }
  return code === '08P01' && typeof message === 'string' && /unsupported\b.*\boptions\b/.test(message)
}
