import { type BackgroundEvent, diagnostics } from '../diagnostics.ts'
import { BackgroundAbandoned } from '../errors/background-abandoned.ts'
import { warn } from '../warnings/warn.ts'
import { type BackgroundLimits, DEFAULT_LIMITS, type OnBackgroundError } from './background-options.ts'
import { runInScope } from './frame.ts'
import { Scope } from './scope.ts'

/** A piece of work that nobody waits for. */
export interface Work {
  /** Runs it in the asynchronous context that it was given in. */
  readonly run: (signal: AbortSignal) => Promise<unknown>
  readonly name: string | undefined
  readonly timeoutMillis: number
  readonly onError: OnBackgroundError | undefined
  /** The scope that it was given in: its reads see what that had seen. */
  readonly origin: Scope | undefined
}

type Outcome = BackgroundEvent['outcome']

/** All background work of a process: what runs, and what waits for its turn (P12). It has the only timers of core. */
export class Background {
  limits: BackgroundLimits = DEFAULT_LIMITS
  readonly #waiting: (() => void)[] = []
  readonly #unsettled = new Set<Promise<void>>()
  readonly #scopes = new WeakSet<Scope>()
  #running = 0

  /** Begins it on a later turn, so that the answer it was given behind goes first; or when its turn comes. */
  add(work: Work): void {
    const { concurrency, queueLimit } = this.limits
    if (this.#running >= concurrency && this.#waiting.length >= queueLimit) {
      return this.#tell(work, 'abandoned', new BackgroundAbandoned('full', queueLimit))
    }
    const settled = this.#turn().then(() => this.#run(work))
    this.#unsettled.add(settled)
    void settled.finally(() => this.#unsettled.delete(settled))
  }

  /** Whether a piece of background work runs in this scope. */
  isScope(scope: Scope | undefined): boolean {
    return scope !== undefined && this.#scopes.has(scope)
  }

  /** Whether something runs, or waits for its turn. */
  get isBusy(): boolean {
    return this.#unsettled.size > 0
  }

  /** Resolves when everything that was begun, or waits for its turn, has ended. Never rejects. */
  async settled(): Promise<void> {
    await Promise.all(this.#unsettled)
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#running >= this.limits.concurrency) {
        this.#waiting.push(resolve)
      } else {
        this.#running += 1
        setImmediate(resolve)
      }
    })
  }

  async #run(work: Work): Promise<void> {
    const abort = new AbortController()
    const seen = work.origin?.session.positionNow()
    const scope = new Scope({ session: { minPosition: seen, isTracked: false } })
    this.#scopes.add(scope)
    let timer: NodeJS.Timeout | undefined
    const timedOut = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        const error = new BackgroundAbandoned('timed-out', work.timeoutMillis)
        abort.abort(error)
        reject(error)
      }, work.timeoutMillis)
    })
    try {
      await Promise.race([runInScope(scope, () => work.run(abort.signal)), timedOut])
      this.#tell(work, 'done', undefined)
    } catch (error) {
      this.#tell(work, abort.signal.aborted ? 'abandoned' : 'failed', error)
    } finally {
      clearTimeout(timer)
      this.#scopes.delete(scope)
      const next = this.#waiting.shift()
      if (next === undefined) this.#running -= 1
      else next()
    }
  }

  #tell(work: Work, outcome: Outcome, error: unknown): void {
    const { name } = work
    if (diagnostics.background.hasSubscribers) {
      const event = { outcome, name, error, waiting: this.#waiting.length }
      diagnostics.background.publish(event satisfies BackgroundEvent)
    }
    if (outcome === 'done') return
    const onError = work.onError ?? this.limits.onError
    if (onError === undefined) return this.#warn(work, outcome, error)
    try {
      onError(error, { name })
    } catch (thrown) {
      this.#warn({ ...work, name: `onError of ${name ?? 'background work'}` }, 'failed', thrown)
    }
  }

  #warn({ name }: Work, outcome: Exclude<Outcome, 'done'>, error: unknown): void {
    warn('HEADWATER_BACKGROUND', { name, outcome, problem: kindOf(error) }, { about: outcome })
  }
}

/** A database's message may hold values, which may be secrets: its code says enough. */
function kindOf(error: unknown): string {
  if (error instanceof BackgroundAbandoned) return error.message
  if (!(error instanceof Error)) return typeof error
  const code: unknown = Reflect.get(error, 'code')
  return typeof code === 'string' ? `${error.name} ${code}` : error.name
}

const BACKGROUND = Symbol.for('headwater.background.1')

/** The one of this process: all loaded copies of this package share it, as they share the scopes. */
export function theBackground(): Background {
  const existing = Reflect.get(globalThis, BACKGROUND) as Background | undefined
  if (existing !== undefined) return existing
  const created = new Background()
  Object.defineProperty(globalThis, BACKGROUND, { value: created, enumerable: false })
  return created
}
