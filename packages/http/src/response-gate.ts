import type { ServerResponse } from 'node:http'
import type { ReplayAnswer } from './replay-target.ts'

/**
 * Puts a gate before the head of a Node response: whoever writes it first (the handler, an error page, a piped stream),
 * `decide` is asked once. When it gives an answer, that is sent instead, and whatever the app still writes is swallowed:
 * callbacks run and `finish` is emitted as ever.
 */
export function gateResponse(response: ServerResponse, decide: () => ReplayAnswer | undefined): void {
  // What other middleware has put on the response before us still runs for answers that pass.
  const { writeHead, write, end, flushHeaders } = response
  let phase: 'open' | 'passed' | 'replaced' = 'open'

  function hasPassed(): boolean {
    if (phase !== 'open') return phase === 'passed'
    const answer = decide()
    phase = answer === undefined ? 'passed' : 'replaced'
    if (answer !== undefined) replaceResponse(response, answer)
    return phase === 'passed'
  }

  response.writeHead = function gatedWriteHead(...args: unknown[]): ServerResponse {
    return hasPassed() ? Reflect.apply(writeHead, response, args) : response
  }
  response.flushHeaders = function gatedFlushHeaders(): void {
    if (hasPassed()) flushHeaders.call(response)
  }
  response.write = function gatedWrite(...args: unknown[]): boolean {
    if (hasPassed()) return Reflect.apply(write, response, args)
    const callback = args.at(-1)
    if (typeof callback === 'function') process.nextTick(callback)
    return true
  }
  response.end = function gatedEnd(...args: unknown[]): ServerResponse {
    if (hasPassed()) return Reflect.apply(end, response, args)
    const callback = args.at(-1)
    if (typeof callback === 'function') {
      if (response.writableFinished) process.nextTick(callback)
      else response.once('finish', () => callback())
    }
    return response
  }

  if (response.headersSent) hasPassed()
}

/** Sends the answer by the prototype's own methods: session and compression middleware add headers in theirs. */
function replaceResponse(response: ServerResponse, answer: ReplayAnswer): void {
  const native: ServerResponse = Object.getPrototypeOf(response)
  for (const name of response.getHeaderNames()) response.removeHeader(name)
  // The status text is given, because the app may have set its own.
  Reflect.apply(native.writeHead, response, [answer.status, 'Replay', { ...answer.headers }])
  Reflect.apply(native.end, response, [])
}
