import type { ServerResponse } from 'node:http'
import type { ReplayAnswer } from '../replay/replay-target.ts'
import { destroy, HeldResponse } from './held-response.ts'
import { applyHead, headOf, type ResponseHead } from './response-head.ts'

/** Who decides about the head of a response. */
export interface HeadKeeper {
  /** Whether the head has to wait for `settle()`. */
  readonly mustSettle: boolean
  /** Ends when the head can be decided about; never rejects. */
  settle(): Promise<void>
  /** Asked once, right before the head is sent: the answer that replaces everything, if there is one. */
  head(): ReplayAnswer | undefined
  /** Whether `tell()` has something to say. */
  readonly hasToTell: boolean
  /** Puts what it has to say on a head that passes. Done again when that head was not sent after all. */
  tell(head: ResponseHead): void
}

/**
 * Puts a gate before the head of a Node response: whoever writes it first (the handler, an error page, a piped stream), the
 * keeper is asked once. When it gives an answer, that is sent instead, and whatever the app still writes is swallowed:
 * callbacks run and `finish` is emitted as ever.
 *
 * When the keeper must settle first, all that is written meanwhile is held back, in order. Otherwise nothing waits.
 */
export function gateResponse(response: ServerResponse, keeper: HeadKeeper): void {
  // What other middleware has put on the response before us still runs for answers that pass.
  const { writeHead, write, end, flushHeaders } = response
  let phase: 'open' | 'held' | 'passed' | 'replaced' = 'open'
  let held: HeldResponse | undefined

  function decide(): void {
    const answer = keeper.head()
    phase = answer === undefined ? 'passed' : 'replaced'
    if (answer !== undefined) replaceResponse(response, answer)
  }

  /** Whether the call may go on to the response. What comes before the head of one that passes is told here. */
  function hasPassed(): boolean {
    if (phase === 'open') decide()
    if (phase !== 'passed') return false
    // Not only once: a head that Node refused is followed by an error page's.
    if (!response.headersSent && keeper.hasToTell) keeper.tell(headOf(response))
    return true
  }

  /** Whether something may be told on a head that is written now. */
  function mayTell(): boolean {
    if (phase === 'replaced' || response.headersSent) return false
    return (phase === 'open' && keeper.mustSettle) || keeper.hasToTell
  }

  /** What is holding the response back, if anything is. */
  function holding(): HeldResponse | undefined {
    if (phase === 'open' && keeper.mustSettle && isStatus(response.statusCode) && !response.destroyed) holdBack()
    return phase === 'held' ? held : undefined
  }

  function holdBack(): void {
    phase = 'held'
    const holder = new HeldResponse(response)
    held = holder
    function release(): void {
      if (phase !== 'held') return
      response.off('close', release)
      holder.release()
      try {
        decide()
        holder.flush()
      } catch (error) {
        destroy(response, error)
      }
    }
    // A client that hangs up leaves nothing to wait for.
    response.once('close', release)
    void keeper.settle().then(release)
  }

  response.writeHead = function gatedWriteHead(...args: unknown[]): ServerResponse {
    if (phase === 'held') {
      held?.refuseHead(args)
      return response
    }
    // Node refuses it, at once.
    if (phase !== 'replaced' && !isStatus(args[0])) return Reflect.apply(writeHead, response, args)
    // What follows a 101 on its socket would overtake a head that is held back.
    if (phase === 'open' && Math.trunc(Number(args[0])) === 101) decide()
    let rest = args
    if (mayTell()) {
      rest = applyHead(response, args)
      response.statusCode = Math.trunc(Number(args[0]))
      if (typeof rest[1] === 'string') response.statusMessage = rest[1]
    }
    const holder = holding()
    if (holder !== undefined) holder.hold(() => gatedWriteHead(...rest))
    else if (hasPassed()) return Reflect.apply(writeHead, response, rest)
    return response
  }
  response.flushHeaders = function gatedFlushHeaders(): void {
    // What other middleware does at the head it does in writeHead; a head that is held back looks sent to it from here on.
    if (phase === 'open' && !response.headersSent) response.writeHead(response.statusCode)
    const holder = holding()
    if (holder !== undefined) holder.hold(gatedFlushHeaders)
    else if (hasPassed()) flushHeaders.call(response)
  }
  response.write = function gatedWrite(...args: unknown[]): boolean {
    const holder = holding()
    if (holder !== undefined) return holder.holdWrite(args[0], () => gatedWrite(...args))
    if (hasPassed()) return Reflect.apply(write, response, args)
    const callback = args.at(-1)
    if (typeof callback === 'function') process.nextTick(callback)
    return true
  }
  response.end = function gatedEnd(...args: unknown[]): ServerResponse {
    const holder = holding()
    if (holder !== undefined) {
      holder.holdEnd(args[0], () => gatedEnd(...args))
      return response
    }
    if (hasPassed()) return Reflect.apply(end, response, args)
    const callback = args.at(-1)
    if (typeof callback === 'function') {
      if (response.writableFinished) process.nextTick(callback)
      else response.once('finish', () => callback())
    }
    return response
  }

  if (response.headersSent) decide()
}

/** Whether Node will take this as a status; what it will not is refused at once. */
function isStatus(status: unknown): boolean {
  const number = Math.trunc(Number(status))
  return number >= 100 && number <= 999
}

/** Sends the answer by the prototype's own methods: session and compression middleware add headers in theirs. */
function replaceResponse(response: ServerResponse, answer: ReplayAnswer): void {
  const native: ServerResponse = Object.getPrototypeOf(response)
  for (const name of response.getHeaderNames()) response.removeHeader(name)
  // The status text is given, because the app may have set its own.
  Reflect.apply(native.writeHead, response, [answer.status, 'Replay', { ...answer.headers }])
  Reflect.apply(native.end, response, [])
}
