import { ConnectionLost, PrimaryUnavailable, ReplayImpossible, ReplayToPrimary } from '@headwater/core'
import { errorPrototypes } from '@headwater/core/internal'

/** The errors of ours that have an answer of their own when the app does not catch them. */
type AnsweringError = ConnectionLost | PrimaryUnavailable | ReplayImpossible | ReplayToPrimary

/**
 * Gives those errors the method `getResponse()`, in every copy of core that is loaded.
 *
 * Hono handles an error before any middleware sees it: it asks the error for its response, and prints one that has none
 * and answers 500. Call it when an app is set up: the app's pool exists then, so its copy of core is loaded.
 */
export function teachErrorsToAnswer(): void {
  for (const prototype of errorPrototypes()) {
    if (!isAnswering(prototype)) continue
    // As a method of the class would be: no inspection and no copy of an error's fields shows it.
    Object.defineProperty(prototype, 'getResponse', { value: getResponse, configurable: true, writable: true })
  }
}

function getResponse(this: AnsweringError): Response {
  return responseTo(this)
}

/** The response to an error of ours that the app does not catch. */
export function responseTo(error: AnsweringError): Response {
  // Nobody gets this one: the middleware puts the replay in its place.
  if (error instanceof ReplayToPrimary) return new Response(null, { status: 409 })
  const own = error.expose ? error.message : null
  const isOfDatabase = error instanceof PrimaryUnavailable || error instanceof ConnectionLost
  const text = isOfDatabase ? STATUS_TEXTS[error.status] : own
  return new Response(text, { status: error.status, headers: { ...error.headers } })
}

const STATUS_TEXTS = { 500: 'Internal Server Error', 503: 'Service Unavailable' } as const

function isAnswering(prototype: object): prototype is AnsweringError {
  return (
    prototype instanceof ReplayToPrimary ||
    prototype instanceof ReplayImpossible ||
    prototype instanceof PrimaryUnavailable ||
    prototype instanceof ConnectionLost
  )
}
