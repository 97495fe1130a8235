import type { ServerResponse } from 'node:http'
import type { HeadKeeper } from './head-keeper.ts'
import { lengthIn } from './held-body.ts'
import { destroy, HeldResponse } from './held-response.ts'
import { refuseHead } from './refuse-head.ts'
import { isHttp2, replaceResponse, swallowInformational } from './replace-response.ts'
import { applyHead, checkHead, NodeHead } from './response-head.ts'

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
  const gate = new ResponseGate(response, keeper)
  if (GATE in response) gateAgain(response, gate)
  else {
    const one: ServerResponse & { [GATE]?: ResponseGate } = response
    one[GATE] = gate
    // The same four functions for all responses: of closures as a response's own methods V8 keeps one hidden class each, and
    // through it the whole request until the old ones are collected.
    response.writeHead = gatedWriteHead
    response.write = gatedWrite
    response.end = gatedEnd
    response.flushHeaders = gatedFlushHeaders
  }
  if (response.headersSent) gate.decide()
}

const GATE = Symbol('headwater.gate')

type Gated = ServerResponse & { readonly [GATE]: ResponseGate }

function gatedWriteHead(this: Gated, ...args: unknown[]): ServerResponse {
  return this[GATE].writeHead(args)
}

function gatedWrite(this: Gated, ...args: unknown[]): boolean {
  return this[GATE].write(args)
}

function gatedEnd(this: Gated, ...args: unknown[]): ServerResponse {
  return this[GATE].end(args)
}

function gatedFlushHeaders(this: Gated): void {
  this[GATE].flushHeaders()
}

/** Where `headwater()` is in use twice, the inner gate stands before the outer one. */
function gateAgain(response: ServerResponse, gate: ResponseGate): void {
  response.writeHead = (...args: unknown[]) => gate.writeHead(args)
  response.write = (...args: unknown[]) => gate.write(args)
  response.end = (...args: unknown[]) => gate.end(args)
  response.flushHeaders = () => gate.flushHeaders()
}

/** The gate before one response, and how far that has come. */
class ResponseGate {
  readonly #response: ServerResponse
  readonly #keeper: HeadKeeper
  // Methods that other middleware put on the response before us still run for answers that pass.
  readonly #writeHead: ServerResponse['writeHead']
  readonly #write: ServerResponse['write']
  readonly #end: ServerResponse['end']
  readonly #flushHeaders: ServerResponse['flushHeaders']
  #phase: 'open' | 'held' | 'passed' | 'replaced' = 'open'
  #held: HeldResponse | undefined
  #release: (() => void) | undefined
  #isTurnDue = false
  #isTurnOver = false
  #isCapturing = false
  /** Whether Node has our own `end()` to do, of which the head is part: that was seen to already. */
  #isEnding = false

  constructor(response: ServerResponse, keeper: HeadKeeper) {
    this.#response = response
    this.#keeper = keeper
    const { writeHead, write, end, flushHeaders } = response
    this.#writeHead = writeHead
    this.#write = write
    this.#end = end
    this.#flushHeaders = flushHeaders
  }

  decide(): void {
    const response = this.#response
    const answer = this.#keeper.decide()
    this.#phase = answer === undefined ? 'passed' : 'replaced'
    if (answer === undefined) return
    if ('forwardTo' in answer) {
      swallowInformational(response)
      answer.forwardTo(response)
    } else replaceResponse(response, answer, this.#held !== undefined)
  }

  writeHead(args: readonly unknown[]): ServerResponse {
    const response = this.#response
    if (this.#isEnding && args.length === 1) return Reflect.apply(this.#writeHead, response, args)
    if (this.#phase === 'held') {
      this.#held?.refuseHead(args)
      return response
    }
    // Node refuses such a status at once.
    if (this.#phase !== 'replaced' && !isStatus(args[0])) return Reflect.apply(this.#writeHead, response, args)
    // What follows a 101 on its socket would overtake a head that is held back.
    if (this.#phase === 'open' && Math.trunc(Number(args[0])) === 101) this.decide()
    if (this.#isOpen && !response.destroyed) {
      const declared = lengthIn(checkHead(args))
      noteStatus(response, args)
      const holder = this.#holding(declared)
      holder?.hold(() => this.writeHead(args))
      // HTTP/2 sends a head at once; HTTP/1 sends it with what follows.
      if (holder !== undefined && isHttp2(response)) this.#beginBody(holder)
      return response
    }
    if (this.#phase === 'open') this.decide()
    if (this.#phase !== 'passed') return response
    const status = Math.trunc(Number(args[0]))
    if (!this.#mustChangeHead(status)) return Reflect.apply(this.#writeHead, response, args)
    const rest = applyHead(response, args)
    noteStatus(response, rest)
    this.#hasPassed()
    const isRefused = response.statusCode !== status
    return Reflect.apply(this.#writeHead, response, isRefused ? [response.statusCode] : rest)
  }

  flushHeaders(): void {
    this.#beginImplicitly()
    const holder = this.#holding()
    if (holder !== undefined) {
      holder.hold(() => this.flushHeaders())
      holder.body.begin()
      this.#endTurn()
    } else if (this.#hasPassed()) this.#flushHeaders.call(this.#response)
  }

  write(args: readonly unknown[]): boolean {
    this.#beginImplicitly()
    const holder = this.#holding()
    if (holder !== undefined) {
      const canGoOn = holder.holdWrite(args, !this.#keeper.mustCapturePosition, (kept) => this.write(kept))
      this.#beginBody(holder)
      return canGoOn
    }
    if (this.#hasPassed()) return Reflect.apply(this.#write, this.#response, args)
    const callback = args.at(-1)
    if (typeof callback === 'function') process.nextTick(callback)
    return true
  }

  end(args: readonly unknown[]): ServerResponse {
    const response = this.#response
    // Node takes the content-length from an end that brings the whole body, so its implicit head comes with the release.
    const holder = this.#phase === 'held' || this.#keeper.mustCapturePosition ? this.#holding() : undefined
    if (holder !== undefined) {
      holder.holdEnd(args[0], () => this.end(args))
      this.#goOn()
      return response
    }
    if (this.#hasPassed()) {
      // Who has put another function there since may have more to say about the head.
      this.#isEnding = response.writeHead === gatedWriteHead
      try {
        return Reflect.apply(this.#end, response, args)
      } finally {
        this.#isEnding = false
      }
    }
    const callback = args.at(-1)
    if (typeof callback === 'function') {
      if (response.writableFinished) process.nextTick(callback)
      else response.once('finish', () => callback())
    }
    return response
  }

  /** Whether nobody has decided yet, and the app's own answer may pass. */
  get #isOpen(): boolean {
    return this.#phase === 'open' && !this.#keeper.isSpent
  }

  /** Whether the call may go on to the response. Writes the token before the head of a response that passes. */
  #hasPassed(): boolean {
    const response = this.#response
    const keeper = this.#keeper
    if (this.#phase === 'open') this.decide()
    if (this.#phase !== 'passed') return false
    // Perhaps again: when Node refuses a head, an error page's head follows.
    if (response.headersSent) return true
    const refusal = keeper.refusalInstead(response.statusCode)
    if (refusal !== undefined) refuseHead(new NodeHead(response), refusal)
    if (keeper.hasTokenToWrite) keeper.writeToken(new NodeHead(response))
    return true
  }

  /** Whether a head that passes now gets a token, or another status. */
  #mustChangeHead(status: number): boolean {
    if (this.#response.headersSent) return false
    return this.#keeper.hasTokenToWrite || this.#keeper.refusalInstead(status) !== undefined
  }

  /** Holds the response back unless that is over or cannot be; returns what holds it. */
  #holding(declaredLength?: number): HeldResponse | undefined {
    const response = this.#response
    if (this.#isOpen && !response.destroyed && isStatus(response.statusCode)) {
      this.#phase = 'held'
      this.#held = new HeldResponse(response, declaredLength)
      this.#release = () => this.#letGo()
      // A client that hangs up leaves nothing to wait for.
      response.once('close', this.#release)
      this.#keeper.whenSpent(() => this.#goOn())
    }
    return this.#phase === 'held' ? this.#held : undefined
  }

  /**
   * The head that Node writes for whoever begins with a body. Other middleware acts on it in `writeHead`, and must do so before
   * the response looks sent.
   */
  #beginImplicitly(): void {
    const response = this.#response
    if (this.#isOpen && !response.headersSent) response.writeHead(response.statusCode)
  }

  /** Sends what is held, unless there is something left to wait for. */
  #goOn(): void {
    const held = this.#held
    if (this.#phase !== 'held' || held === undefined) return
    const { body } = held
    if (!this.#keeper.isSpent) {
      if (!body.hasBegun || body.isShort || this.#isCapturing) return
      if (!body.hasEnded && !this.#isTurnOver) return
      if (this.#keeper.mustCapturePosition) {
        this.#isCapturing = true
        return void this.#keeper.capturePosition().then(() => this.#letGo())
      }
    }
    this.#letGo()
  }

  /** Something of the body is there, and more may follow. */
  #beginBody({ body }: HeldResponse): void {
    body.begin()
    if (this.#isTurnDue) return this.#goOn()
    this.#isTurnDue = true
    setImmediate(() => this.#endTurn())
  }

  #endTurn(): void {
    this.#isTurnOver = true
    this.#goOn()
  }

  #letGo(): void {
    const held = this.#held
    if (this.#phase !== 'held' || held === undefined) return
    const response = this.#response
    if (this.#release !== undefined) response.off('close', this.#release)
    held.release()
    try {
      this.decide()
      held.flush()
    } catch (error) {
      destroy(response, error)
    }
  }
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
