import type { ServerResponse } from 'node:http'
import type { ReplayAnswer } from '../replay/replay-target.ts'

/** Whether it is one of HTTP/2. */
export function isHttp2({ req }: ServerResponse): boolean {
  return req?.httpVersionMajor === 2
}

/**
 * Sends the answer with the prototype's own methods: session and compression middleware replace them to add headers.
 *
 * `looksSent`: the app takes its own answer for sent. Then it may cut the connection at an error, as Express does, so that the
 * proxy must not send another request on it.
 */
export function replaceResponse(response: ServerResponse, answer: ReplayAnswer, looksSent: boolean): void {
  const native: ServerResponse = Object.getPrototypeOf(response)
  for (const name of response.getHeaderNames()) response.removeHeader(name)
  const headers: Record<string, string> = { ...answer.headers }
  const body = typeof answer.body === 'string' ? answer.body : ''
  // HTTP/2 has neither the header nor a status text, and warns of both.
  if (isHttp2(response)) Reflect.apply(native.writeHead, response, [answer.status, headers])
  else {
    if (looksSent) headers['connection'] = 'close'
    // The status text is given, because the app may have set its own.
    Reflect.apply(native.writeHead, response, [answer.status, 'Replay', headers])
  }
  Reflect.apply(native.end, response, [body])
  swallowInformational(response)
}

/** They would write behind the end of the answer. */
const INFORMATIONAL = ['writeContinue', 'writeProcessing', 'writeEarlyHints'] as const

/** Ends them on this response. */
export function swallowInformational(response: ServerResponse): void {
  for (const name of INFORMATIONAL) response[name] = swallow
}

function swallow(...args: unknown[]): void {
  const callback = args.at(-1)
  if (typeof callback === 'function') process.nextTick(callback)
}
