import type { QueryConfig, Submittable } from 'pg'
import { bindToCaller } from './bind-submittable.ts'
import { boundHere } from './bound-here.ts'
import { runAppCode } from './run-app-code.ts'
import { type AppConfig, copyConfig } from './sent-query.ts'
import type { Settle } from './settle.ts'
import { findText, giveCallback, isSubmittable } from './submittable.ts'

/** A query in any of the forms that pg takes, in one shape. */
export interface QueryCall {
  /** The SQL; `undefined` when a Submittable does not show it, or only the name of a prepared statement is given. */
  readonly text: string | undefined
  /** The first argument for pg's own `client.query`. A configuration is a copy: the app may change its own after the call. */
  readonly config: string | QueryConfig | Submittable
  /** What was given as values. pg refuses what is no array when the query is sent. */
  readonly values: unknown
  /** The app's callback, bound to the scope that asked; `undefined` in the promise form. */
  readonly callback: Settle | undefined
  readonly submittable: Submittable | undefined
}

/**
 * Brings the arguments of `query` into one shape.
 *
 * A callback is bound to its caller's async context: pg calls it from its socket's, where the scope is lost; so are the events and
 * handlers of a Submittable. A Submittable
 * without a callback is given this one, as pg does.
 *
 * @throws {TypeError} for null, undefined, or a callback that is not a function, in pg's own words; and what a getter of the
 * configuration throws.
 */
export function toQueryCall(first: unknown, second: unknown, third: unknown): QueryCall {
  if (first === null || first === undefined) throw new TypeError('Client was passed a null or undefined query')
  // As in pg, what is falsy is none.
  const values = typeof second === 'function' ? undefined : second || undefined
  const callback = toCallback(typeof second === 'function' ? second : third)
  if (typeof first === 'string') return { text: first, config: first, values, callback, submittable: undefined }
  if (isSubmittable(first)) {
    giveCallback(first, callback)
    bindToCaller(first)
    return { text: findText(first), config: first, values, callback, submittable: first }
  }
  // pg checks the rest of the shape.
  const config = copyConfig(first as AppConfig)
  return {
    text: typeof config.text === 'string' ? config.text : typeof config.name === 'string' ? undefined : '',
    config,
    values,
    callback: callback ?? toCallback((first as { readonly callback?: unknown }).callback),
    submittable: undefined,
  }
}

/** Whether values travel with the text, be they an array or not. */
export function hasValues({ config, values }: QueryCall): boolean {
  return isSome(values) || (typeof config === 'object' && isSome((config as AppConfig).values))
}

function isSome(values: unknown): boolean {
  return values !== undefined && (!Array.isArray(values) || values.length > 0)
}

function toCallback(candidate: unknown): Settle | undefined {
  if (candidate === undefined || candidate === null) return undefined
  if (typeof candidate !== 'function') throw new TypeError('callback is not a function')
  return boundToCaller(candidate as (...given: unknown[]) => void)
}

/** Binds a callback to its caller's async context. An error that it throws goes to the process, not to us. */
export function boundToCaller(callback: (...given: unknown[]) => void): (...given: unknown[]) => void {
  const bound = boundHere(callback)
  return (...given) => runAppCode(() => bound(...given))
}
