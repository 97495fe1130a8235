import type { ServerResponse } from 'node:http'
import type { ScopeRefusal } from '@headwater/core/internal'
import type { Replacement, ReplayAnswer } from '../replay/replay-target.ts'
import { lengthIn } from './held-body.ts'
import { destroy, HeldResponse } from './held-response.ts'
import { refuseHead } from './refuse-head.ts'
import { applyHead, checkHead, headOf, type ResponseHead } from './response-head.ts'

/** Decides about the head of a response. */
export interface HeadKeeper {
  /** Whether the answer will be a replay, whatever the app answers (P3). */
  readonly isSpent: boolean
  /** Calls `listener` when that comes true; only the last listener. */
  whenSpent(listener: () => void): void
  /**
   * Whether the head must wait for `capturePosition()`: a write is on its way (P11), the primary has to say how far it
   * is (F2), or the app's store has a token to save (F8).
   */
  readonly mustCapturePosition: boolean
  /**
   * Finds out what the client has seen. Takes what is left of a write and one round trip to the primary, a second or two
   * at most, and what the app's store takes; never rejects.
   */
  capturePosition(): Promise<void>
  /**
   * Asked once, right before the head is sent. Returns the answer that replaces everything (P3), or `undefined`: the
   * response has started, and no replay can be asked for any more (P4).
   */
  decide(): Replacement | undefined
  /** The refusal whose status a head with `status` gets (P10); `undefined` when the app's own stays. */
  refusalInstead(status: number): ScopeRefusal | undefined
  /**
   * Whether `writeToken()` has something to write: a token, or where the answer was made. Asked after `decide()` only: what the client has
   * seen is fixed then.
   */
  readonly hasTokenToWrite: boolean
  /** Puts the token on a head that passes, and keeps it out of shared caches. Called again when that head was not sent. */
  writeToken(head: ResponseHead): void
}

/**
 * Puts a gate before the head of a Node response. Whoever writes the head first (the handler, an error page, a piped
 * stream), the keeper is asked once. If it gives an answer, the gate sends that instead and swallows what the app still
 * writes; callbacks run and `finish` is emitted as usual.
 *
 * The gate holds back what is written, in order, while the body is short of its declared length (P11) and while the keeper captures
 * the position. A body that begins without an end waits for the rest of this turn of the event loop: session middleware begins its
 * write in it. Otherwise nothing waits.
 */
export function gateResponse(response: ServerResponse, keeper: HeadKeeper): void {
  // Methods that other middleware put on the response before us still run for answers that pass.
  const { writeHead, write, end, flushHeaders } = response
  let phase: 'open' | 'held' | 'passed' | 'replaced' = 'open'
  let held: HeldResponse | undefined
  let isTurnDue = false
  let isTurnOver = false
  let isCapturing = false

  function decide(): void {
    const answer = keeper.decide()
    phase = answer === undefined ? 'passed' : 'replaced'
    if (answer === undefined) return
    if ('forwardTo' in answer) {
      swallowInformational(response)
      answer.forwardTo(response)
    } else replaceResponse(response, answer, held !== undefined)
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

  /** Whether a head that passes now gets a token, or another status. */
  function mustChangeHead(status: number): boolean {
    return !response.headersSent && (keeper.hasTokenToWrite || keeper.refusalInstead(status) !== undefined)
  }

  /** Holds the response back unless that is over or cannot be; returns what holds it. */
  function holding(declaredLength?: number): HeldResponse | undefined {
    if (phase === 'open' && !keeper.isSpent && !response.destroyed && isStatus(response.statusCode)) {
      phase = 'held'
      held = new HeldResponse(response, declaredLength)
      // A client that hangs up leaves nothing to wait for.
      response.once('close', release)
      keeper.whenSpent(goOn)
    }
    return phase === 'held' ? held : undefined
  }

  /**
   * The head that Node writes for whoever begins with a body. Other middleware acts on it in `writeHead`, and must do so before
   * the response looks sent.
   */
  function beginImplicitly(): void {
    if (phase === 'open' && !keeper.isSpent && !response.headersSent) response.writeHead(response.statusCode)
  }

  /** Sends what is held, unless there is something left to wait for. */
  function goOn(): void {
    if (phase !== 'held' || held === undefined) return
    const { body } = held
    if (!keeper.isSpent) {
      if (!body.hasBegun || body.isShort || isCapturing) return
      if (!body.hasEnded && !isTurnOver) return
      if (keeper.mustCapturePosition) {
        isCapturing = true
        return void keeper.capturePosition().then(release)
      }
    }
    release()
  }

  /** Something of the body is there, and more may follow. */
  function beginBody({ body }: HeldResponse): void {
    body.begin()
    if (isTurnDue) return goOn()
    isTurnDue = true
    setImmediate(endTurn)
  }

  function endTurn(): void {
    isTurnOver = true
    goOn()
  }

  function release(): void {
    if (phase !== 'held' || held === undefined) return
    response.off('close', release)
    held.release()
    try {
      decide()
      held.flush()
    } catch (error) {
      destroy(response, error)
    }
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
    if (phase === 'open' && !keeper.isSpent && !response.destroyed) {
      const declared = lengthIn(checkHead(args))
      noteStatus(response, args)
      const holder = holding(declared)
      holder?.hold(() => gatedWriteHead(...args))
      // HTTP/2 sends a head at once; HTTP/1 sends it with what follows.
      if (holder !== undefined && isHttp2(response)) beginBody(holder)
      return response
    }
    if (phase === 'open') decide()
    if (phase !== 'passed') return response
    const status = Math.trunc(Number(args[0]))
    if (!mustChangeHead(status)) return Reflect.apply(writeHead, response, args)
    const rest = applyHead(response, args)
    noteStatus(response, rest)
    hasPassed()
    const isRefused = response.statusCode !== status
    return Reflect.apply(writeHead, response, isRefused ? [response.statusCode] : rest)
  }
  response.flushHeaders = function gatedFlushHeaders(): void {
    beginImplicitly()
    const holder = holding()
    if (holder !== undefined) {
      holder.hold(gatedFlushHeaders)
      holder.body.begin()
      endTurn()
    } else if (hasPassed()) flushHeaders.call(response)
  }
  response.write = function gatedWrite(...args: unknown[]): boolean {
    beginImplicitly()
    const holder = holding()
    if (holder !== undefined) {
      const canGoOn = holder.holdWrite(args, !keeper.mustCapturePosition, (kept) => gatedWrite(...kept))
      beginBody(holder)
      return canGoOn
    }
    if (hasPassed()) return Reflect.apply(write, response, args)
    const callback = args.at(-1)
    if (typeof callback === 'function') process.nextTick(callback)
    return true
  }
  response.end = function gatedEnd(...args: unknown[]): ServerResponse {
    // Node takes the content-length from an end that brings the whole body, so its implicit head comes with the release.
    const holder = phase === 'held' || keeper.mustCapturePosition ? holding() : undefined
    if (holder !== undefined) {
      holder.holdEnd(args[0], () => gatedEnd(...args))
      goOn()
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

/** Puts on the response what `writeHead()` was given as status and message. */
function noteStatus(response: ServerResponse, [status, message]: readonly unknown[]): void {
  response.statusCode = Math.trunc(Number(status))
  if (typeof message === 'string') response.statusMessage = message
}

function isHttp2({ req }: ServerResponse): boolean {
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

function swallowInformational(response: ServerResponse): void {
  for (const name of INFORMATIONAL) swallow(response, name)
}

function swallow(response: ServerResponse, name: (typeof INFORMATIONAL)[number]): void {
  response[name] = (...args: unknown[]): void => {
    const callback = args.at(-1)
    if (typeof callback === 'function') process.nextTick(callback)
  }
}
