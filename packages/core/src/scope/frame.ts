import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks'
import type { Consistency } from '../route/consistency.ts'
import type { Scope } from './scope.ts'

/** What follows the asynchronous flow: the scope, and what `withPrimary`, `withReplica` or `withConsistency` asks for here. */
export interface Frame {
  readonly scope: Scope | undefined
  readonly forced: 'primary' | 'replica' | undefined
  readonly consistency: Consistency | undefined
  /** The named group of replicas that `withReplica` asks for. */
  readonly group?: string | undefined
}

const STORAGE = Symbol.for('headwater.scope.1')

/** Two loaded copies of this package share one storage; the version in the symbol separates incompatible copies. */
function sharedStorage(): AsyncLocalStorage<Frame | undefined> {
  const existing: unknown = Reflect.get(globalThis, STORAGE)
  if (existing instanceof AsyncLocalStorage) return existing
  const created = new AsyncLocalStorage<Frame | undefined>()
  Object.defineProperty(globalThis, STORAGE, { value: created, enumerable: false })
  return created
}

const storage: AsyncLocalStorage<Frame | undefined> = sharedStorage()

/** The frame of the calling code; `undefined` outside any scope. */
export function currentFrame(): Frame | undefined {
  return storage.getStore()
}

/** The scope that the calling code runs in; `undefined` outside any scope. */
export function currentScope(): Scope | undefined {
  return storage.getStore()?.scope
}

/**
 * Runs `fn` in `scope`. A scope inside a scope hides the outer one until `fn` is done.
 *
 * @example
 * await runInScope(new Scope(), () => sendReminders()) // a job: it sees what it writes
 */
export function runInScope<Result>(scope: Scope, fn: () => PromiseLike<Result>): Promise<Result>
export function runInScope<Result>(scope: Scope, fn: () => Result): Result
export function runInScope(scope: Scope, fn: () => unknown): unknown {
  return runIn({ scope, forced: undefined, consistency: undefined }, fn)
}

/**
 * Runs `fn` in `frame`, and awaits its result there: the builders of Drizzle and Knex and Prisma's promises send their query
 * when they are awaited, which `await withPrimary(() => db.select()…)` would do outside.
 */
export function runIn(frame: Frame, fn: () => unknown): unknown {
  return storage.run(frame, () => {
    const result = fn()
    if (result instanceof Promise || !isThenable(result)) return result
    return new Promise((resolve, reject) => result.then(resolve, reject))
  })
}

const atLoad = new AsyncResource('HeadwaterOutside')

/**
 * Runs `fn` in no scope, nor in what else the calling request has in its async context (a span, a logger's fields).
 *
 * For what outlives the request that happens to start it: a connection that others will use, a watch, the load of a catalog.
 */
export function runOutside<Result>(fn: () => Result): Result {
  return atLoad.runInAsyncScope(() => storage.run(undefined, fn))
}

function isThenable(result: unknown): result is PromiseLike<unknown> {
  return typeof result === 'object' && result !== null && typeof Reflect.get(result, 'then') === 'function'
}

/** The frame that an inner frame starts from. */
export function outerFrame(): Frame {
  return storage.getStore() ?? NO_FRAME
}

const NO_FRAME: Frame = Object.freeze({ scope: undefined, forced: undefined, consistency: undefined })
