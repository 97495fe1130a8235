import { AsyncLocalStorage } from 'node:async_hooks'
import { theBackground } from './background.ts'
import { type BackgroundDefaults, type OnBackgroundError, parseLimit, parseOnError } from './background-options.ts'
import { currentScope } from './frame.ts'

/** Options of one piece of background work. */
export interface BackgroundOptions {
  /** What `onError` and the channel call it: `session touch`. Never a secret. */
  readonly name?: string | undefined
  /**
   * How long it may take, in ms, 1 to 2147483647.
   *
   * @default that of `configureBackground`: 10_000
   */
  readonly timeoutMillis?: number | undefined
  /** Told when it failed or was given up. Default: that of `configureBackground`, else a process warning. */
  readonly onError?: OnBackgroundError | undefined
}

/**
 * Runs a write that nobody waits for in a scope of its own: last seen, a counter, a session's touch, a line of audit (P12).
 *
 * The request stays where it is, and its answer carries no token for it. Away from home the write crosses to the primary by itself
 * (`writesOutsideRequest: 'direct'` of the pool, its default). `fn` sees what the caller had read and written by then.
 *
 * It begins at once, unless the request could still be replayed: then when the head of its answer passes. In a request that is
 * replayed it never begins, because the replay runs it. So it is done once at most; what must not be lost belongs into the request itself.
 *
 * `pool.end()` waits for it. Its failure goes to `onError`, never to the caller.
 *
 * @throws {OptionsInvalid} at once, for an option that is wrong.
 *
 * @example
 * app.get('/home', async (c) => {
 *   inBackground(() => pool.query('update account set seen_at = now() where id = $1', [id]))
 *   return c.html(await home(id))
 * })
 */
export function inBackground(fn: (signal: AbortSignal) => unknown, options: BackgroundOptions = {}): void {
  const background = theBackground()
  const origin = currentScope()
  const inContext = AsyncLocalStorage.snapshot()
  const work = {
    run: async (signal: AbortSignal) => fn(signal),
    name: options.name,
    timeoutMillis: parseLimit('timeoutMillis', options.timeoutMillis, background.limits.timeoutMillis),
    onError: parseOnError(options.onError),
    origin,
  }
  const begin = (): void => inContext(() => background.add(work))
  if (origin === undefined) begin()
  else origin.whenKept(begin)
}

/**
 * Sets what holds for all background work of this process; what is left out stays as it was. Call it once, at the start.
 *
 * @throws {OptionsInvalid} at once, for a value that is wrong.
 *
 * @example
 * configureBackground({ onError: (error, { name }) => logger.warn({ error, name }) })
 */
export function configureBackground(options: BackgroundDefaults): void {
  const background = theBackground()
  const { limits } = background
  background.limits = {
    concurrency: parseLimit('concurrency', options.concurrency, limits.concurrency),
    queueLimit: parseLimit('queueLimit', options.queueLimit, limits.queueLimit),
    timeoutMillis: parseLimit('timeoutMillis', options.timeoutMillis, limits.timeoutMillis),
    onError: parseOnError(options.onError) ?? limits.onError,
  }
}

/**
 * Resolves when all background work that was begun by now has ended, failed or been given up; never rejects. `pool.end()` does this by
 * itself. For platforms that stop a process behind its answer: `waitUntil(backgroundSettled())`.
 *
 * Work of a request whose answer has not left yet is not among it: do not wait for it inside a handler.
 */
export function backgroundSettled(): Promise<void> {
  return theBackground().settled()
}
