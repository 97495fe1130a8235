import type { IncomingMessage } from 'node:http'
import type { Topology } from '@headwater/core'
import { noteCopy, RouteMemory } from '@headwater/core/internal'
import { type HeadwaterOptions, type ResolvedOptions, resolveOptions } from '../options.ts'
import { DeadRegions } from '../replay/dead-regions.ts'
import { SignedStates } from '../replay/signed-states.ts'
import { hasBeenUpgraded } from '../request/node-request.ts'
import type { RequestFacts } from '../request/request-facts.ts'
import { ForgottenResponses } from './forgotten-responses.ts'
import { HttpRequestLife } from './http-request-life.ts'
import { keepNodeRequest, keepWebRequest } from './keep-request.ts'
import type { RequestLife } from './request-life.ts'
import type { Clocks, SharedState } from './shared-state.ts'

/** What an adapter makes once per app, with `createLifecycle(options)`. */
export interface Lifecycle {
  /**
   * Opens the life of one request. Returns `undefined` when the app skips this request: run its handler as it is. Nothing
   * else makes it `undefined` (P7).
   *
   * Pass `incoming` where the framework has Node's own request (`nodeRequestIn()` finds it): then a body of unknown length
   * is counted as it is read, and a WebSocket handshake is recognized. Where there is none, pass a `web` request: the app then reads
   * `life.request`, so that this instance can still send the body on (P9).
   */
  open(request: RequestFacts, incoming?: IncomingMessage, web?: Request): RequestLife | undefined
}

const CLOCKS: Clocks = { wallMillis: () => Date.now(), monotonicMillis: () => performance.now() }

/** What all requests of one app share: the options, and which routes were seen to write. */
export class HttpLifecycle implements Lifecycle, SharedState {
  readonly options: ResolvedOptions
  readonly clocks: Clocks
  readonly topologyNow: () => Topology
  readonly memory: RouteMemory = new RouteMemory()
  readonly deadRegions: DeadRegions = new DeadRegions()
  readonly states: SignedStates
  readonly forgottenResponses: ForgottenResponses

  /** @throws {OptionsInvalid} when an option is wrong. */
  constructor(options: HeadwaterOptions, clocks: Clocks = CLOCKS) {
    noteCopy('@headwater/http', import.meta.url)
    this.options = resolveOptions(options)
    this.states = new SignedStates(this.options.secrets)
    this.forgottenResponses = new ForgottenResponses(this.options.logger)
    this.clocks = clocks
    const { pool } = this.options
    this.topologyNow = () => pool.topology
  }

  open(facts: RequestFacts, incoming?: IncomingMessage, web?: Request): HttpRequestLife | undefined {
    if (this.options.skip(facts)) return undefined
    // This instance sends no handshake on: the connection stays here, and its writes cross by themselves (P6).
    const isToStay =
      incoming !== undefined && hasBeenUpgraded(incoming) && this.options.replayTarget.connect !== undefined
    if (isToStay) return new HttpRequestLife(this, facts, 'job', incoming)
    const life = new HttpRequestLife(this, facts, 'request', incoming)
    if (incoming !== undefined) keepNodeRequest(life, incoming, this.options.bodyLimitBytes)
    else if (web !== undefined) keepWebRequest(life, web, this.options.bodyLimitBytes)
    return life
  }

  /** Opens the life of a connection that was upgraded before: there is no response to replay it with. */
  openJob(facts: RequestFacts): HttpRequestLife | undefined {
    return this.options.skip(facts) ? undefined : new HttpRequestLife(this, facts, 'job')
  }
}
