import type { Logger } from '@headwater/core'
import { isDirect, log, runOutside, warnOfAll } from '@headwater/core/internal'
import { DEFAULT_MAX } from '../fleet/connection-budget.ts'
import { errorInWords } from '../fleet/error-in-words.ts'
import type { Fleet } from '../fleet/fleet.ts'
import { addressText } from '../node/node-address.ts'
import type { PoolNode } from '../node/pool-node.ts'
import { copyFindings } from './copies-of-pg.ts'
import { findingsIn } from './findings.ts'
import type { FleetFacts, ServerFacts } from './fleet-facts.ts'
import { startLine } from './start-line.ts'
import { confirmedSurveyOf, FAR_MILLIS, type Survey, surveyOf } from './survey.ts'

/** Many connections at once would keep the app's first queries waiting, and be measured in each other's way. */
const SURVEYED_AT_ONCE = 4

/** What a reporter goes by. */
export interface ReporterOptions {
  readonly logger: Logger | false | undefined
}

/**
 * Says where a pool reads and writes, once its servers are known and again when the primary changes, and what is wrong with them, once
 * (O1). It looks when more is known of a server, never with a query.
 */
export class Reporter {
  readonly #fleet: Fleet
  readonly #logger: Logger | false | undefined
  readonly #abort = new AbortController()
  readonly #surveys = new Map<PoolNode, Survey | undefined>()
  #running: Promise<void> | undefined
  #isDue = false
  /** The primary that the last line named. */
  #said: string | undefined

  constructor(fleet: Fleet, { logger }: ReporterOptions) {
    this.#fleet = fleet
    this.#logger = logger
    fleet.changed = () => this.#lookSoon()
    this.#lookSoon()
  }

  /** Ends what it asks. */
  async end(): Promise<void> {
    this.#abort.abort()
    this.#fleet.changed = () => undefined
    await this.#running
  }

  #lookSoon(): void {
    // Servers may join later.
    const left = this.#fleet.nodes.filter((node) => !this.#surveys.has(node))
    if (left.length > 0)
      this.#running ??= this.#survey(left).finally(() => {
        this.#running = undefined
      })
    if (this.#isDue) return
    this.#isDue = true
    runOutside(() => setImmediate(() => this.#look()))
  }

  /** Asks every server once how far away it is, and how much it takes. */
  async #survey(nodes: readonly PoolNode[]): Promise<void> {
    const left = [...nodes]
    const surveyNext = async (): Promise<void> => {
      for (let node = left.shift(); node !== undefined; node = left.shift()) {
        const survey = await surveyOf(node.config, this.#abort.signal)
        this.#surveys.set(node, survey)
        node.capacity = survey
      }
    }
    await Promise.all(Array.from({ length: SURVEYED_AT_ONCE }, surveyNext))
    if (!this.#abort.signal.aborted) this.#lookSoon()
    await Promise.all(nodes.map((node) => this.#confirm(node)))
  }

  /** Asks again, later, where a server of this region seems to be far away. */
  async #confirm(node: PoolNode): Promise<void> {
    const first = this.#surveys.get(node)
    const isNear = first === undefined || first.distanceMillis <= FAR_MILLIS
    if (isNear || !this.#isNextDoor(node)) return
    const confirmed = await confirmedSurveyOf(node.config, first, this.#abort.signal)
    if (this.#abort.signal.aborted || confirmed === undefined) return
    this.#surveys.set(node, confirmed)
    this.#lookSoon()
  }

  /** Whether it should be in this region. */
  #isNextDoor(node: PoolNode): boolean {
    return node === this.#fleet.primary ? this.#fleet.standing.isAtHome : this.#fleet.isLocal(node)
  }

  #look(): void {
    this.#isDue = false
    if (this.#abort.signal.aborted) return
    const facts = this.#facts()
    warnOfAll(findingsIn(facts), this.#logger)
    if (!this.#isSettled()) return
    const { primary } = facts
    const subject = primary === undefined ? 'none' : `${primary.label} ${primary.region}`
    // A failover without a primary in between is no news until it has one.
    if (subject === this.#said || (primary === undefined && this.#said !== undefined)) return
    // By now an app has loaded what it uses.
    if (this.#said === undefined) warnOfAll(copyFindings(), this.#logger)
    this.#said = subject
    const line = startLine(facts)
    if (this.#logger === undefined) console.error(line)
    else if (this.#logger !== false) log(this.#logger, 'info', line)
  }

  /** Whether enough is known for the line: of the primary and of all local replicas. */
  #isSettled(): boolean {
    const { nodes, primary } = this.#fleet
    const matters = (node: PoolNode): boolean => node === primary || this.#fleet.isLocal(node)
    return nodes.every((node) => this.#surveys.has(node) && (!matters(node) || this.#isKnown(node)))
  }

  /** Whether a server has said what it is, or has failed to. Behind a load balancer there is nobody to ask. */
  #isKnown(node: PoolNode): boolean {
    const { monitor, primary } = this.#fleet
    if (monitor.asks(node)) return this.#fleet.roleOf(node) !== 'unknown' || node.health.lastProblem !== undefined
    return node !== primary || node.health.reachability.isReachable !== undefined
  }

  #facts(): FleetFacts {
    const { region, primaryRegion, isAtHome } = this.#fleet.standing
    const isComplete = this.#fleet.nodes.every((node) => this.#isKnown(node))
    const servers = this.#fleet.nodes.map((node, index) =>
      this.#factsOf(node, index === 0 && this.#isPrimaryGiven(node)),
    )
    const primary = this.#fleet.hasPrimary ? servers[this.#fleet.nodes.indexOf(this.#fleet.primary)] : undefined
    return { region, primaryRegion, isAtHome, primary, timeline: this.#fleet.timeline, isComplete, servers }
  }

  /** Whether the configuration says that this server itself is the primary; an address that moves may lead to any. */
  #isPrimaryGiven({ traits }: PoolNode): boolean {
    return this.#fleet.areRolesGiven && !traits.isMoving
  }

  #factsOf(node: PoolNode, isConfiguredPrimary: boolean): ServerFacts {
    const { sample, lag } = this.#fleet.monitor.knownOf(node)
    const { label, origin, place, secrets } = node.address
    const { lastProblem } = node.health
    const millis = lag?.millis
    return {
      label,
      address: place === undefined ? origin : addressText(place),
      region: node.region,
      isConfiguredPrimary,
      isLocal: this.#fleet.isLocal(node),
      isOneServer: node.traits.isOneServer,
      isDirect: isDirect(node.traits),
      isPoolerUnsaid: node.endpoint.isPoolerUnsaid,
      isSharedAfterAll: node.endpoint.isSharedAfterAll,
      refusesPosition: node.refusesPosition,
      slowerPrepared: node.statements?.slower.at(-1)?.name,
      isAsked: this.#fleet.monitor.asks(node),
      role: this.#fleet.roleOf(node),
      isStandby: sample?.isStandby ?? node.isStandby,
      timeline: sample?.timeline,
      cluster: sample?.cluster,
      // An address that moves leads to one of the others.
      startedAt: node.traits.isMoving ? undefined : sample?.startedAt,
      isReachable: node.health.reachability.isReachable,
      problem: lastProblem === undefined ? undefined : errorInWords(lastProblem.error, secrets),
      lagMillis: millis !== undefined && Number.isFinite(millis) ? millis : undefined,
      survey: this.#surveys.get(node),
      max: node.config.max ?? DEFAULT_MAX,
      hasDirect: node.direct !== undefined,
    }
  }
}
