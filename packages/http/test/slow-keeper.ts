import { EventEmitter, once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { ReplayAnswer } from '../src/replay/replay-target.ts'
import type { HeadKeeper } from '../src/response/head-keeper.ts'
import { gateResponse } from '../src/response/response-gate.ts'
import type { ResponseHead } from '../src/response/response-head.ts'
import { type Sent, send } from '../src/testing/send.ts'
import { listen } from '../src/testing/server.ts'

export const REPLAY: ReplayAnswer = { status: 409, headers: { 'fly-replay': 'region=ams', 'content-length': '0' } }
export const WAIT_MILLIS = 30

/** A keeper that captures the position when it is told to, and then puts a cookie on the head. */
export class SlowKeeper implements HeadKeeper {
  mustCapturePosition = true
  hasTokenToWrite = true
  asked = 0
  #replay: ReplayAnswer | undefined
  #spent: (() => void) | undefined
  readonly #events = new EventEmitter()
  readonly #settled = once(this.#events, 'settled')

  set replay(replay: ReplayAnswer | undefined) {
    this.#replay = replay
    if (replay !== undefined) this.#spent?.()
  }

  get isSpent(): boolean {
    return this.#replay !== undefined
  }

  whenSpent(listener: () => void): void {
    this.#spent = listener
  }

  async capturePosition(): Promise<void> {
    await this.#settled
  }

  finish(): void {
    this.#events.emit('settled')
  }

  decide(): ReplayAnswer | undefined {
    this.asked += 1
    return this.#replay
  }

  refusalInstead(): undefined {}

  writeToken(head: ResponseHead): void {
    head.addCookie('headwater=1')
    head.set('headwater-token', String(head.get('vary')))
  }
}

export interface Served {
  readonly sent: Sent
  readonly keeper: SlowKeeper
}

/** Serves one request behind a gate that holds the head back for 30 ms, unless the handler ends that itself. */
export async function serve(
  handle: (response: ServerResponse, keeper: SlowKeeper) => unknown,
  before: (response: ServerResponse) => void = () => {},
): Promise<Served> {
  const keeper = new SlowKeeper()
  let handled: Promise<unknown> = Promise.resolve()
  const server = createServer((_request, response) => {
    before(response)
    gateResponse(response, keeper)
    setTimeout(() => keeper.finish(), WAIT_MILLIS)
    handled = Promise.resolve(handle(response, keeper))
  })
  await using running = await listen(server)
  const sent = await send(running.port, '/')
  await handled
  return { sent, keeper }
}
