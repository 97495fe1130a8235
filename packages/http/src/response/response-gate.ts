import type { ServerResponse } from 'node:http'
import type { PrimaryUnavailable, ReplayImpossible } from '@headwater/core'
import type { ReplayAnswer } from '../replay/replay-target.ts'
import { destroy, HeldResponse } from './held-response.ts'
import { refuseHead } from './refuse-head.ts'
import { applyHead, headOf, type ResponseHead } from './response-head.ts'

/** Decides about the head of a response. */
export interface HeadKeeper {
  /** Whether the head must wait for `capturePosition()`: the primary has to say how far it is (F2). */
  readonly mustCapturePosition: boolean
  /** Finds out what the client has seen. Takes one round trip to the primary at most; never rejects. */
  capturePosition(): Promise<void>
  /**
   * Asked once, right before the head is sent. Returns the answer that replaces everything (P3), or `undefined`: the
   * response has started, and no replay can be asked for any more (P4).
   */
  decide(): ReplayAnswer | undefined
  /** The refusal whose status a head with `status` gets (P10); `undefined` when the app's own stays. */
  refusalInstead(status: number): ReplayImpossible | PrimaryUnavailable | undefined
  /** Whether `writeToken()` has something to write. */
  readonly hasTokenToWrite: boolean
  /** Puts the token on a head that passes, and keeps it out of shared caches. Called again when that head was not sent. */
  writeToken(head: ResponseHead): void
}

/**
 * Puts a gate before the head of a Node response. Whoever writes the head first (the handler, an error page, a piped
 * stream), the keeper is asked once. If it gives an answer, the gate sends that instead and swallows what the app still
 * writes; callbacks run and `finish` is emitted as usual.
 *
 * While the keeper captures the position, the gate holds back all that is written, in order. Otherwise nothing waits.
 */
export function gateResponse(response: ServerResponse, keeper: HeadKeeper): void {
  // Methods that other middleware put on the response before us still run for answers that pass.
  const { writeHead, write, end, flushHeaders } = response
  let phase: 'open' | 'held' | 'passed' | 'replaced' = 'open'
  let held: HeldResponse | undefined

  function decide(): void {
    const answer = keeper.decide()
    phase = answer === undefined ? 'passed' : 'replaced'
    if (answer !== undefined) replaceResponse(response, answer)
  }

  /** Whether the call may go on to the response. Writes the token before the head of a response that passes. */
  function hasPassed(): boolean {
    if (phase === 'open') decide()
    if (phase !== 'passed') return false
    // Perhaps again: when Node refuses a head, an error page's head follows.
    if (response.headersSent) return true
    const refusal = keeper.refusalInstead(response.statusCode)
    if (refusal !== undefined) refuseHead(headOf(response), refusal)
    if (keeper.hasTokenToWrite) keeper.writeToken(headOf(response))
    return true
  }

  /** Whether a head that is written now may get a token, or another status. */
  function mayChangeHead(status: number): boolean {
    if (phase === 'replaced' || response.headersSent) return false
    if (phase === 'open' && keeper.mustCapturePosition) return true
    return keeper.hasTokenToWrite || keeper.refusalInstead(status) !== undefined
  }

  /** Holds the response back where it must be; returns what holds it. */
  function holding(): HeldResponse | undefined {
    if (phase === 'open' && keeper.mustCapturePosition && isStatus(response.statusCode) && !response.destroyed)
      holdBack()
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
    void keeper.capturePosition().then(release)
  }

  response.writeHead = function gatedWriteHead(...args: unknown[]): ServerResponse {
    if (phase === 'held') {
      held?.refuseHead(args)
      return response
    }
    // Node refuses such a status at once.
    if (phase !== 'replaced' && !isStatus(args[0])) return Reflect.apply(writeHead, response, args)
    // What follows a 101 on its socket would overtake a head that is held back.
    if (phase === 'open' && Math.trunc(Number(args[0])) === 101) decide()
    let rest = args
    const status = Math.trunc(Number(args[0]))
    if (mayChangeHead(status)) {
      rest = applyHead(response, args)
      response.statusCode = status
      if (typeof rest[1] === 'string') response.statusMessage = rest[1]
    }
    const holder = holding()
    if (holder !== undefined) holder.hold(() => gatedWriteHead(...rest))
    else if (hasPassed()) {
      const isRefused = rest !== args && response.statusCode !== status
      return Reflect.apply(writeHead, response, isRefused ? [response.statusCode] : rest)
    }
    return response
  }
  response.flushHeaders = function gatedFlushHeaders(): void {
    // Other middleware acts on the head in writeHead, and a head that is held back looks sent to it from here on.
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

/** Whether Node accepts this as a status. */
function isStatus(status: unknown): boolean {
  const number = Math.trunc(Number(status))
  return number >= 100 && number <= 999
}

/** Sends the answer with the prototype's own methods: session and compression middleware replace them to add headers. */
function replaceResponse(response: ServerResponse, answer: ReplayAnswer): void {
  const native: ServerResponse = Object.getPrototypeOf(response)
  for (const name of response.getHeaderNames()) response.removeHeader(name)
  // The status text is given, because the app may have set its own.
  Reflect.apply(native.writeHead, response, [answer.status, 'Replay', { ...answer.headers }])
  Reflect.apply(native.end, response, [])
}
