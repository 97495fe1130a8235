import type { ReplayBlocker, Topology } from '@headwater/core'
import type { RequestFacts } from '../request/request-facts.ts'
import { RequestScope, type ScopeOwner } from '../request/request-scope.ts'
import { RequestToken } from '../token/request-token.ts'
import { type Arrived, arrive } from './arrived.ts'
import { ClientPosition } from './client-position.ts'
import { RouteLesson } from './route-lesson.ts'
import type { SharedState } from './shared-state.ts'
import { WayToPrimary } from './way-to-primary.ts'
import { warnOfRefusal, warnOfTokens } from './wiring-signs.ts'

/** One request as it was opened: its scope, what its client has seen, and whether it is replayed before any work (P5). */
export class OpenedRequest implements ScopeOwner {
  readonly facts: RequestFacts
  readonly arrived: Arrived
  readonly scope: RequestScope
  /** `undefined` where nothing carries tokens. */
  readonly position: ClientPosition | undefined
  /** `undefined` at home, and where the app has decided: there the record of its route does not matter. */
  readonly lesson: RouteLesson | undefined
  readonly isEarly: boolean
  readonly #shared: SharedState
  #way: WayToPrimary | undefined

  constructor(shared: SharedState, facts: RequestFacts, kind: 'request' | 'job') {
    const { options, clocks } = shared
    this.#shared = shared
    this.facts = facts
    this.arrived = arrive(shared, facts, kind)
    const { blocker, length } = this.arrived
    const now = clocks.wallMillis()
    const token = options.token && new RequestToken(options.token, options.secrets, facts, now, options.pool)
    if (token !== undefined) warnOfTokens(token, now, options.logger)
    const { topology } = options.pool
    this.scope = this.#openScope(kind, token, topology)
    this.position = token && new ClientPosition(shared, facts, token, this.scope)
    const early = topology.isAtHome ? 'never' : options.earlyReplay(facts)
    this.lesson = early === undefined ? new RouteLesson(shared, facts) : undefined
    // A body of unknown length may be over the limit: it is read and counted here first, unless the app knows better.
    this.isEarly =
      blocker === undefined &&
      (this.lesson === undefined ? early === 'always' : length !== 'unknown' && this.lesson.isEarly())
    if (this.isEarly) this.scope.replayEarly(topology)
  }

  #openScope(kind: 'request' | 'job', token: RequestToken | undefined, { isAtHome }: Topology): RequestScope {
    const { options, topologyNow } = this.#shared
    const { blocker, replayed } = this.arrived
    const isDirect = blocker === 'body-too-large' && options.tooLarge === 'direct'
    return new RequestScope({
      kind: isDirect ? 'job' : kind,
      session: token?.sessionOf(replayed !== undefined && isAtHome),
      blocker,
      replayed,
      topology: topologyNow,
      keepsTrail: options.serverTiming,
      owner: this,
    })
  }

  get retryAfterSeconds(): number {
    return this.#shared.options.retryAfterSeconds
  }

  steer(region: string): Readonly<Record<string, string>> {
    return this.#shared.options.replayTarget.steer?.(region) ?? {}
  }

  primaryNeeded(): void {
    this.lesson?.learnLate(this.scope)
  }

  refused(blocker: ReplayBlocker, topology: Topology): void {
    warnOfRefusal(blocker, topology, this.#shared.options.logger)
  }

  /** Made when it is first asked for: most requests need none. */
  get way(): WayToPrimary {
    this.#way ??= new WayToPrimary(this.#shared, this.facts, this.arrived, this.scope)
    return this.#way
  }

  /** Notes that more of the body has come than can be replayed. */
  refuseBody(): void {
    this.scope.blockReplay('body-too-large')
    if (this.scope.blocker === 'body-too-large' && this.#shared.options.tooLarge === 'direct') this.becomeJob()
  }

  /** What runs from here on runs as outside a request (P6), unless it is to be replayed. */
  becomeJob(): void {
    if (!this.scope.isSpent) this.scope.becomeJob()
  }
}
