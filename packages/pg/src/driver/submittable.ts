import type { Submittable } from 'pg'
import { submittableInternalsOf } from './pg-internals.ts'
import { submitted } from './sent-query.ts'
import type { Settle } from './settle.ts'
import type { TrackedClient } from './tracked-client.ts'

/** Whether this is a query that sends itself: a pg.Query, a cursor or a stream. */
export function isSubmittable(candidate: object): candidate is Submittable {
  return typeof (candidate as Partial<Submittable>).submit === 'function'
}

/** pg-cursor, pg.Query and the COPY streams have `text`; pg-query-stream has it on its cursor. */
export function findText(submittable: Submittable): string | undefined {
  const { text, cursor } = submittableInternalsOf(submittable)
  if (typeof text === 'string') return text
  return typeof cursor?.text === 'string' ? cursor.text : undefined
}

/** Sets the callback of a query that has none, as pg does. */
export function giveCallback(submittable: Submittable, callback: Settle | undefined): void {
  const internals = submittableInternalsOf(submittable)
  if (callback !== undefined && !internals.callback) internals.callback = callback
}

/** Sends a Submittable. Each error of the server is translated before the Submittable sees it. */
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
  const internals = submittableInternalsOf(submittable)
  const original = internals.handleError
  if (typeof original !== 'function') return
  internals.handleError = (error, connection) => original.call(submittable, translate(error), connection)
}

/** Settles a Submittable, which reports its own errors: only an error that kept it from being sent is passed on to it. */
export function settleSubmittable(submittable: Submittable): Settle {
  return (error) => {
    if (error) submittableInternalsOf(submittable).handleError?.(error, NO_CONNECTION)
  }
}

/** The connection of a Submittable that never had one: it may call `sync`, without effect. */
const NO_CONNECTION = Object.freeze({ sync: () => undefined })

/** Whether a stream was destroyed before it was sent: sent now, it would hold its connection forever. */
export function isAbandoned({ submittable }: { readonly submittable: Submittable | undefined }): boolean {
  return submittable !== undefined && submittableInternalsOf(submittable).destroyed === true
}
