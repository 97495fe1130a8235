import type { EventEmitter } from 'node:events'
import { OptionsInvalid } from '@headwater/core'
import { runOutside } from '@headwater/core/internal'
import type pg from 'pg'
import { emitterOf, internalsOf, onParameterStatus, wrapOpening } from './pg-internals.ts'
import { toSendable } from './prepare/messages.ts'
import type { ServerStatements } from './prepare/server-statements.ts'
import { SessionStatements } from './prepare/session-statements.ts'
import { runAppCode } from './run-app-code.ts'
import { IS_KNOWN } from './sent-query.ts'

/** What ReadyForQuery says of the session; `undefined` before the first and after the connection ended. */
export type SessionStatus = 'I' | 'T' | 'E' | undefined

/** A pg client that knows its server's role and its session's state from what the server reports by itself (X4). */
export interface TrackedClient extends pg.PoolClient {
  /** `in_hot_standby` (ParameterStatus, PostgreSQL 14 and later); `undefined` when the server does not report it, or a pooler does in its place. */
  readonly isStandby: boolean | undefined
  /** Whether `default_transaction_read_only` is on. */
  readonly isReadOnlyByDefault: boolean | undefined
  /** Whether the session is forced read-only (X1): a statement is only tried in such a session. Set before the pool hands it out. */
  isForcedReadOnly: boolean
  readonly sessionStatus: SessionStatus
  /** Whether every query has been answered to its end (ReadyForQuery), or the connection is gone. */
  readonly isSettled: boolean
  /** Whether the connection is gone. */
  readonly isLost: boolean
  /** The error that ended it. */
  readonly lostTo: Error | undefined
  /** The emitter that passes on the connection's events while it is leased. */
  owner: EventEmitter | undefined
  /** What its session has prepared by itself (S1); `undefined` where that is off. */
  readonly statements: SessionStatements | undefined
  /** Calls back as soon as every query has been answered, or the connection is gone; at once when that is so already. */
  whenSettled(callback: () => void): void
}

export interface TrackingOptions {
  /** Whether the next session is to be read-only from its startup message on (X1). */
  readonly asksForReadOnly: () => boolean
  /** Whether what the startup reports is the server's own word, and not a pooler's memory of one. */
  readonly isReportBelieved: () => boolean
  /** Called when a startup message was refused for that. */
  readonly onOptionsRefused: () => void
  /** Called at connect, and again after a promotion. */
  readonly onRole: (isStandby: boolean) => void
  /** What its server's sessions prepare; `undefined` where that is off. */
  readonly statements: ServerStatements | undefined
  /** Called when a connection broke, in use or idle. */
  readonly onError: (error: Error) => void
}

/**
 * The time limit for connecting when the app sets none: pg has none, and waits forever for a host that drops packets. It is set on
 * the client; on the pool it would also limit the wait for a free connection, with a timer for every query.
 */
const CONNECT_TIMEOUT_MILLIS = 10_000

/** The events of a pg client that come from its connection. */
const FORWARDED = ['notification', 'notice', 'drain', 'end'] as const

/** Makes the client class of one node. `Base` is the app's `Client`, or pg's own. */
export function trackedClientClass(Base: typeof pg.Client, options: TrackingOptions): typeof pg.Client {
  const { _handleReadyForQuery: handleReadyForQuery } = internalsOf(Base.prototype)
  class TrackedPgClient extends Base {
    isReadOnlyByDefault: boolean | undefined
    isForcedReadOnly = false
    #isStandby: boolean | undefined
    sessionStatus: SessionStatus
    lostTo: Error | undefined
    readonly statements: SessionStatements | undefined
    #waiters: (() => void)[] = []
    #owner: EventEmitter | undefined
    #isForwarding = false

    constructor(config?: string | pg.ClientConfig) {
      super(withTimeout(config))
      if (this.connection === undefined) {
        throw new OptionsInvalid(
          'Client',
          "its instances have no connection of pg's own (is it pg-native?); expected pg.Client or a subclass of it",
        )
      }
      const canPrepare = IS_KNOWN && toSendable !== undefined && internalsOf(this).pipeline !== true
      this.statements =
        options.statements === undefined || !canPrepare ? undefined : new SessionStatements(options.statements)
      // What a socket reports runs in the async context that opened it, and many callers will use it.
      wrapOpening(this, runOutside)
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
        this.#isStandby = isOn
        if (options.isReportBelieved()) options.onRole(isOn)
      })
      this.connection.once('end', () => this.#lose(new Error('Connection terminated unexpectedly')))
      // Without a listener, a checked-out client that loses its connection ends the process. This one stays for the
      // client's life: adding and removing one for each query costs more than routing it.
      this.on('error', (error) => {
        // pg sends nothing more on it, whether its socket is closed by now or not.
        this.#lose(error)
        options.onError(error)
        const owner = this.#owner
        if (owner !== undefined && owner.listenerCount('error') > 0) runAppCode(() => owner.emit('error', error))
      })
    }

    get isStandby(): boolean | undefined {
      return this.#isStandby !== undefined && options.isReportBelieved() ? this.#isStandby : undefined
    }

    get owner(): EventEmitter | undefined {
      return this.#owner
    }

    set owner(owner: EventEmitter | undefined) {
      this.#owner = owner
      if (this.#isForwarding || owner === undefined) return
      this.#isForwarding = true
      for (const event of FORWARDED) {
        emitterOf(this).on(event, (...args: unknown[]) => runAppCode(() => this.#owner?.emit(event, ...args)))
      }
    }

    get isLost(): boolean {
      return this.lostTo !== undefined
    }

    /** pg sends the next query as soon as it is ready for one, so when it is ready nothing is left to be answered. */
    get isSettled(): boolean {
      return this.isLost || internalsOf(this).readyForQuery
    }

    /**
     * Extends pg's own handler of ReadyForQuery: a second listener would cost more per query than the decision where the
     * query goes. If pg no longer called it, no connection would ever be at rest, and none would be used twice.
     */
    _handleReadyForQuery(message: { status?: SessionStatus }): void {
      this.sessionStatus = message.status
      handleReadyForQuery.call(this, message)
      this.#tellWaiters()
    }

    whenSettled(callback: () => void): void {
      if (this.isSettled) return callback()
      this.#waiters.push(callback)
      // No server answers a query that pg does not send (one without text, say): pg is ready again right after its error.
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
      // pg handles this message first: it hands the error or result to the query.
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
 * Whether a startup message was refused for its `options`. Source: PgBouncer, whose messages are always in English; 1.18
 * refuses the parameter itself, 1.20 and later a setting in it that they do not know.
 */
export function isOptionsRefusal(error: unknown): boolean {
  const { code, message } = Object(error) as { code?: unknown; message?: unknown }
  return code === '08P01' && typeof message === 'string' && /unsupported\b.*\boptions\b/.test(message)
}
