import type { Submittable } from 'pg'
import { boundHere } from './bound-here.ts'

type Method = (...args: unknown[]) => unknown

/** What pg calls on a query that sends itself, as its messages come. Source: pg 8.21 to 8.23, `lib/client.js`. */
const HANDLERS = [
  'submit',
  'handleRowDescription',
  'handlePortalSuspended',
  'handleEmptyQuery',
  'handleCommandComplete',
  'handleReadyForQuery',
  'handleError',
  'handleCopyInResponse',
]

/** The same for each row: an emitter tells of them by events, or later. */
const ROW_HANDLERS = ['handleDataRow', 'handleCopyData']

/** The methods of pg-cursor and of the COPY streams that take a callback. */
const CALLBACK_METHODS = ['read', 'close', 'write', 'end']

/**
 * Binds the events, handlers and callbacks of a query that sends itself to its caller's async context. pg would run them in its
 * socket's, which is nobody's.
 */
export function bindToCaller(submittable: Submittable): void {
  const run = boundHere((call: () => unknown) => call())
  const isEmitter = submittable instanceof process.getBuiltinModule('node:events').EventEmitter
  const isReadable = isEmitter && 'pipe' in submittable
  for (const name of isEmitter ? [...HANDLERS, 'emit'] : [...HANDLERS, ...ROW_HANDLERS]) {
    replace(
      submittable,
      name,
      (method) =>
        (...args) =>
          run(() => Reflect.apply(method, submittable, args)),
    )
  }
  for (const name of CALLBACK_METHODS) {
    // A stream's own `read` takes none, and is called for every row.
    if (name === 'read' && isReadable) continue
    replace(
      submittable,
      name,
      (method) =>
        (...args) =>
          Reflect.apply(method, submittable, args.map(bound)),
    )
  }
}

/** A callback belongs to who gave it, which may be another than who sent the query. */
function bound(argument: unknown): unknown {
  return typeof argument === 'function' ? boundHere(argument as Method) : argument
}

function replace(target: object, name: string, by: (method: Method) => Method): void {
  const method: unknown = Reflect.get(target, name)
  if (typeof method === 'function') Reflect.set(target, name, by(method as Method))
}
