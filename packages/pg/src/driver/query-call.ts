import { AsyncLocalStorage } from 'node:async_hooks'
import { databaseErrorIn } from '@headwater/core/internal'
import type { QueryConfig, Submittable } from 'pg'
import { type AppConfig, copyOf, sentQueryOf, submitted } from './sent-query.ts'
import type { TrackedClient } from './tracked-client.ts'

/** What a query ends with: pg's own two arguments. */
export type Settle = (error: unknown, result?: unknown) => void

/** A query in any of the forms that pg takes, in one shape. */
export interface QueryCall {
  /** The SQL; `undefined` when a foreign Submittable does not show it, or there is only the name of a statement. */
  readonly text: string | undefined
  /** What pg's own `client.query` is given first. */
  readonly config: string | QueryConfig | Submittable
  readonly values: unknown[] | undefined
  /** The app's callback, bound to the scope that asked; `undefined` in the promise form. */
  readonly callback: Settle | undefined
  readonly submittable: Submittable | undefined
}

/**
 * Brings the arguments of `query` into one shape.
 *
 * A callback is bound to the asynchronous flow of its caller: pg calls it from its socket's flow, where the scope is lost.
 * A Submittable without a callback is given this one, as by pg.
 *
 * @throws {TypeError} for null, undefined, or a callback that is no function, with pg's own texts.
 */
export function queryCallOf(first: unknown, second: unknown, third: unknown): QueryCall {
  if (first === null || first === undefined) throw new TypeError('Client was passed a null or undefined query')
  const values = Array.isArray(second) ? second : undefined
  const callback = callbackOf(typeof second === 'function' ? second : third)
  if (typeof first === 'string') return { text: first, config: first, values, callback, submittable: undefined }
  if (isSubmittable(first)) {
    if (callback !== undefined && !Reflect.get(first, 'callback')) Reflect.set(first, 'callback', callback)
    return { text: textOf(first), config: first, values, callback, submittable: first }
  }
  // The shape beyond this is pg's to check, as it would without us.
  const config = first as QueryConfig & { readonly callback?: unknown }
  return {
    text: typeof config.text === 'string' ? config.text : typeof config.name === 'string' ? undefined : '',
    config,
    values,
    callback: callback ?? callbackOf(config.callback),
    submittable: undefined,
  }
}

function callbackOf(candidate: unknown): Settle | undefined {
  if (candidate === undefined || candidate === null) return undefined
  if (typeof candidate !== 'function') throw new TypeError('callback is not a function')
  const bound = AsyncLocalStorage.bind(candidate as (...given: unknown[]) => void)
  return (...given) => {
    try {
      bound(...given)
    } catch (thrown) {
      // As in pg, nobody but the process hears of it: what runs in the middle of our own work must not stop it.
      process.nextTick(() => {
        throw thrown
      })
    }
  }
}

function isSubmittable(candidate: object): candidate is Submittable {
  return typeof (candidate as Partial<Submittable>).submit === 'function'
}

/** pg-cursor, pg.Query and the COPY streams have `text`; pg-query-stream has it on its cursor. */
function textOf(submittable: Submittable): string | undefined {
  for (const holder of [submittable, Reflect.get(submittable, 'cursor')]) {
    if (typeof holder !== 'object' || holder === null) continue
    const text: unknown = Reflect.get(holder, 'text')
    if (typeof text === 'string') return text
  }
  return undefined
}

/** Sends a Submittable, with a translation between the server's error and what it does with it. */
export function sendSubmittable(
  client: TrackedClient,
  submittable: Submittable,
  translate: (error: unknown) => unknown,
): void {
  translateErrors(submittable, translate)
  const { submit } = submittable
  submittable.submit = (connection) => submitted(() => submit.call(submittable, connection), connection)
  client.query(submittable)
}

function translateErrors(submittable: Submittable, translate: (error: unknown) => unknown): void {
  const original: unknown = Reflect.get(submittable, 'handleError')
  if (typeof original !== 'function') return
  Reflect.set(submittable, 'handleError', (error: unknown, connection: unknown) =>
    Reflect.apply(original, submittable, [translate(error), connection]),
  )
}

/** A Submittable reports its own errors; only one that kept it from being sent at all is ours to hand it. */
export function settleSubmittable(submittable: Submittable): Settle {
  return (error) => {
    const handleError: unknown = Reflect.get(submittable, 'handleError')
    if (error && typeof handleError === 'function') Reflect.apply(handleError, submittable, [error, NO_CONNECTION])
  }
}

/** What a Submittable is given as its connection when it never had one: it may say Sync, and nobody hears. */
const NO_CONNECTION = Object.freeze({ sync: () => undefined })

/** The name that a statement is prepared under. */
export function nameOf({ config }: QueryCall): string | undefined {
  const name: unknown = typeof config === 'object' ? Reflect.get(config, 'name') : undefined
  return typeof name === 'string' && name !== '' ? name : undefined
}

/**
 * Whether the statement that has this name on its connection is of no more use: since a migration its result has another shape,
 * or the server does not know it any more. pg would send the name again and again.
 */
export function isStatementLost(call: QueryCall, error: unknown): boolean {
  if (nameOf(call) === undefined) return false
  const fields = databaseErrorIn(error)
  if (fields?.code === '0A000') return fields.routine === 'RevalidateCachedQuery'
  return fields?.code === '26000'
}

/** Whether a stream was destroyed before it could be sent: sent now, it would hold its connection for ever. */
export function isAbandoned(call: QueryCall): boolean {
  return call.submittable !== undefined && Reflect.get(call.submittable, 'destroyed') === true
}

/** Sends an ordinary query in pg's callback form. */
export function sendQuery(client: TrackedClient, { config, values }: QueryCall, settle: Settle): void {
  const answered = once(settle)
  const { query } = client
  if (typeof config === 'string') return void Reflect.apply(query, client, [config, values, answered])
  const app = config as AppConfig
  const sent = sentQueryOf(client, app, values, answered)
  Reflect.apply(query, client, sent === undefined ? [copyOf(app), values, answered] : [sent])
}

/** pg calls back twice for values that it cannot send: with the error, and when the server is ready again. */
export function once(settle: Settle): Settle {
  let isAnswered = false
  return (error, result) => {
    if (isAnswered) return
    isAnswered = true
    settle(error, result)
  }
}

/** Sends a text of our own. */
export function sendText(client: TrackedClient, text: string, answered: Settle): void {
  Reflect.apply(client.query, client, [text, answered])
}

/** Runs `start` with a settle function and gives back pg's promise for it: a database error's stack leads to the caller. */
export function promiseOf(start: (settle: Settle) => void): Promise<unknown> {
  return new Promise((resolve, reject) => {
    start((error, result) => {
      if (error) reject(error)
      else resolve(result)
    })
  }).catch((error: unknown) => {
    if (error instanceof Error && Reflect.has(error, 'severity')) Error.captureStackTrace(error)
    throw error
  })
}
