import type { Submittable } from 'pg'
import { submittableInternalsOf } from './pg-internals.ts'
import { submitted } from './sent-query.ts'
import type { Settle } from './settle.ts'
import type { TrackedClient } from './tracked-client.ts'

/** Whether this is a query that sends itself: pg.Query, a cursor, a stream. */
export function isSubmittable(candidate: object): candidate is Submittable {
  return typeof (candidate as Partial<Submittable>).submit === 'function'
}

/** pg-cursor, pg.Query and the COPY streams have `text`; pg-query-stream has it on its cursor. */
export function findText(submittable: Submittable): string | undefined {
  const { text, cursor } = submittableInternalsOf(submittable)
  if (typeof text === 'string') return text
  return typeof cursor?.text === 'string' ? cursor.text : undefined
}

/** Gives a query that has no callback this one, as pg does. */
export function giveCallback(submittable: Submittable, callback: Settle | undefined): void {
  const internals = submittableInternalsOf(submittable)
  if (callback !== undefined && !internals.callback) internals.callback = callback
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
  const internals = submittableInternalsOf(submittable)
  const original = internals.handleError
  if (typeof original !== 'function') return
  internals.handleError = (error, connection) => original.call(submittable, translate(error), connection)
}

/** A Submittable reports its own errors; only one that kept it from being sent at all is ours to hand it. */
export function settleSubmittable(submittable: Submittable): Settle {
  return (error) => {
    if (error) submittableInternalsOf(submittable).handleError?.(error, NO_CONNECTION)
  }
}

/** What a Submittable is given as its connection when it never had one: it may say Sync, and nobody hears. */
const NO_CONNECTION = Object.freeze({ sync: () => undefined })

/** Whether a stream was destroyed before it could be sent: sent now, it would hold its connection for ever. */
export function isAbandoned({ submittable }: { readonly submittable: Submittable | undefined }): boolean {
  return submittable !== undefined && submittableInternalsOf(submittable).destroyed === true
}
