import type { IncomingHttpHeaders } from 'node:http'
import { runInScope, Scope } from '@headwater/core'
import {
  type ClientSession,
  type ClientSessionOptions,
  mergeAllPositions,
  mergePositions,
  parseSecrets,
  type ReadPosition,
  TOKEN_TTL_MILLIS,
} from '@headwater/core/internal'
import type { HeadwaterOptions } from '../options.ts'
import type { RequestFacts } from '../request/request-facts.ts'
import { RequestToken } from '../token/request-token.ts'
import { resolveTokenCarriers, type TokenCarriers } from '../token/token-options.ts'
import { warnOfTokens } from './wiring-signs.ts'

/** What `scopePerMessage()` takes of the options of `headwater()`: give both the same. */
export type MessageOptions = Pick<HeadwaterOptions, 'secret' | 'token'>

/** The request that opened a connection: Node's own, or a web-standard one. */
export interface Handshake {
  readonly headers: IncomingHttpHeaders | Headers
}

/**
 * Makes a function that runs each message of one connection in a scope of its own (a job, P6). Call it once for each connection.
 *
 * What a message reads is not older than what the client had seen when it opened the connection (by the handshake's tokens), nor than
 * what the messages before it have written and, in a session, read (F1, F5). It comes home as a job does (R4). Tokens expire on a connection as they do elsewhere:
 * what was seen counts for `timeToLiveMillis`. What a message does after its promise has resolved is seen by none of the others.
 *
 * @throws {OptionsInvalid} at once, when an option is wrong.
 *
 * @example
 * const inMessage = scopePerMessage(request)
 * ws.on('message', (data) => void inMessage(() => answer(ws, data)))
 */
export function scopePerMessage(handshake: Handshake, options: MessageOptions = {}): RunMessage {
  const { HEADWATER_SECRET } = process.env
  const secrets = parseSecrets(options.secret ?? HEADWATER_SECRET)
  const carriers = resolveTokenCarriers(options.token)
  const token = carriers && new RequestToken(carriers, secrets, factsOf(handshake), Date.now())
  if (token !== undefined) warnOfTokens(token, Date.now(), undefined)
  const messages = new Messages(carriers, token?.minPosition)
  function inMessage<Result>(fn: () => PromiseLike<Result>): Promise<Result>
  function inMessage<Result>(fn: () => Result): Result
  function inMessage(fn: () => unknown): unknown {
    return messages.run(fn)
  }
  return inMessage
}

/** Runs one message in a scope of its own, and returns what `fn` returns; awaited there, as `runInScope()` does. */
export interface RunMessage {
  <Result>(fn: () => PromiseLike<Result>): Promise<Result>
  <Result>(fn: () => Result): Result
}

/** What all messages of one connection have seen. */
class Messages {
  readonly #timeToLiveMillis: number
  readonly #session: ClientSessionOptions
  #seen: ReadPosition | undefined
  /** Until when that counts, by the monotonic clock. */
  #until: number
  /** The messages whose own part is not in `#seen` yet. */
  readonly #open = new Set<ClientSession>()

  constructor(carriers: TokenCarriers | undefined, seen: ReadPosition | undefined) {
    this.#timeToLiveMillis = carriers?.timeToLiveMillis ?? TOKEN_TTL_MILLIS
    this.#session = {
      isForWritesOnly: carriers?.isForWritesOnly,
      isTracked: carriers?.isTrackingAll === true ? true : undefined,
      isWanted: true,
    }
    this.#seen = seen
    this.#until = performance.now() + this.#timeToLiveMillis
  }

  run(fn: () => unknown): unknown {
    const before = this.#current
    const scope = new Scope({ session: { ...this.#session, minPosition: this.#startOf(before) } })
    this.#open.add(scope.session)
    const settle = (): void => void this.#settle(scope.session, before)
    try {
      const result = runInScope(scope, fn)
      if (result instanceof Promise) result.then(settle, settle)
      else settle()
      return result
    } catch (error) {
      settle()
      throw error
    }
  }

  get #current(): ReadPosition | undefined {
    return performance.now() < this.#until ? this.#seen : undefined
  }

  /** With what still runs: where only the primary knows how far that is, the next message reads there. */
  #startOf(before: ReadPosition | undefined): ReadPosition | undefined {
    const running = [...this.#open].map((session) => (session.hasSeenMore ? session.positionNow() : undefined))
    return mergeAllPositions([before, ...running].filter((one) => one !== undefined))
  }

  /** Asks the primary for the position, if the message has written: behind it, so that nobody waits. Never rejects. */
  async #settle(session: ClientSession, before: ReadPosition | undefined): Promise<void> {
    const position = session.hasSeenMore ? await session.capturePosition() : undefined
    this.#open.delete(session)
    if (position === undefined) return
    // It includes all that the message began with, and not what others have noted since.
    const others = this.#current === before ? undefined : this.#current
    this.#seen = others === undefined ? position : mergePositions(others, position)
    this.#until = performance.now() + this.#timeToLiveMillis
  }
}

function factsOf({ headers }: Handshake): RequestFacts {
  const header = (name: string): string | undefined => {
    const value = headers instanceof Headers ? headers.get(name) : headers[name]
    return typeof value === 'string' ? value : undefined
  }
  return { method: 'GET', url: '/', header, isSecure: false }
}
