import { type Journey, type Kind, tellJourney } from './journey.ts'
import { LagSampler } from './lag-sampler.ts'
import { LiveFeed } from './live-feed.ts'
import { CANDIDATES, isRegionCode, REGIONS, type RegionCode, roundTrip } from './regions.ts'
import { EXTRA_LAG, type World } from './world.ts'

const KINDS = ['read', 'write', 'naive', 'view', 'write-then-read'] as const
/** Only replicas can lag, and be promoted. */
const REPLICA_FAULTS: ReadonlySet<string> = new Set(['pause', 'pause-one', 'resume', 'lag', 'keep-up', 'promote'])
const FAULTS = [
  'pause',
  'pause-one',
  'resume',
  'lag',
  'keep-up',
  'stop-database',
  'start-database',
  'region-down',
  'region-up',
  'promote',
  'rejoin',
] as const
/** A person cannot click faster; a script that can would only measure its own queue. */
const MOST_AT_ONCE = 20

export type Action =
  | {
      readonly do: 'send'
      readonly kind: Kind | 'write-then-read'
      readonly region: RegionCode
      /** Whether reads take any replica, whatever their visitor has seen. */
      readonly isTokenless: boolean
    }
  | { readonly do: (typeof FAULTS)[number]; readonly region: RegionCode }

/** Reads what a page asks for; `undefined` when it is nothing that there is. */
export function parseAction(value: unknown): Action | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { do: what, kind, region, isTokenless } = value as Record<string, unknown>
  if (!isRegionCode(region)) return undefined
  if (what === 'send') {
    const known = KINDS.find((candidate) => candidate === kind)
    return known && { do: what, kind: known, region, isTokenless: isTokenless === true }
  }
  const fault = FAULTS.find((candidate) => candidate === what)
  if (fault === undefined) return undefined
  if ((fault === 'promote' || fault === 'rejoin') && !CANDIDATES.includes(region)) return undefined
  return { do: fault, region }
}

/** What people do to the world through the page, and what the page is told of it. */
export class Stage implements AsyncDisposable {
  readonly feed: LiveFeed = new LiveFeed()
  readonly #world: World
  readonly #sampler: LagSampler
  readonly #sent = new Set<Promise<void>>()
  #faults: Promise<void> = Promise.resolve()
  #number = 0

  constructor(world: World) {
    this.#world = world
    this.#sampler = new LagSampler(
      (code) => world.databases.first(code),
      () => world.home,
      () => this.feed.isWatched,
      () => this.#tellState(),
    )
  }

  /** Starts what was asked for; the feed tells how it ends. Says `false` when too much is under way. */
  act(action: Action): boolean {
    if (action.do !== 'send') {
      // One at a time: a region cannot come up while it is going down.
      this.#faults = this.#faults.then(() => this.#fail(action.do, action.region))
      return true
    }
    if (this.#sent.size >= MOST_AT_ONCE) return false
    const sending = this.#sendAll(action).finally(() => this.#sent.delete(sending))
    this.#sent.add(sending)
    return true
  }

  /** Puts a journey on the page that was made elsewhere: the tour's. */
  show(journey: Journey): void {
    this.#number += 1
    this.#tellJourney(this.#number, journey)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.feed[Symbol.dispose]()
    await Promise.all([this.#faults, ...this.#sent])
    await this.#sampler[Symbol.asyncDispose]()
  }

  /** A read right behind the answer to a write is faster than anybody clicks. */
  async #sendAll({ kind, region, isTokenless }: Extract<Action, { do: 'send' }>): Promise<void> {
    if (kind !== 'write-then-read') return await this.#send(kind, region, isTokenless)
    await this.#send('write', region, isTokenless)
    await this.#send('read', region, isTokenless)
  }

  async #send(kind: Kind, region: RegionCode, isTokenless: boolean): Promise<void> {
    this.#number += 1
    const id = this.#number
    this.feed.tell('started', { id, kind, region, isTokenless })
    const { body: _body, ...journey } = await this.#world.send(kind, region, { isTokenless })
    this.#tellJourney(id, journey)
  }

  #tellJourney(id: number, journey: Journey): void {
    this.feed.tell('journey', { ...journey, id, story: tellJourney(journey), at: Date.now() })
  }

  async #fail(what: Exclude<Action['do'], 'send'>, region: RegionCode): Promise<void> {
    const text = await this.#perform(what, region).catch(
      (error: unknown) => `${region}: ${error instanceof Error ? error.message : String(error)}`,
    )
    this.feed.tell('notice', { text })
    this.#tellState()
  }

  async #perform(what: Exclude<Action['do'], 'send'>, region: RegionCode): Promise<string> {
    const world = this.#world
    if (REPLICA_FAULTS.has(what) && region === world.home) throw new Error('the primary is here, and no replica')
    switch (what) {
      case 'pause':
        await world.setPaused(region, 'all')
        return `Paused: reads in ${region} are still answered next door, from a state that stands still.`
      case 'pause-one':
        await world.setPaused(region, 'one')
        return `Paused: one replica in ${region} stands still, the other one does not.`
      case 'resume':
        await world.setPaused(region, 'none')
        return `Resumed: what was held back in ${region} is caught up with.`
      case 'lag':
        await world.setLate(region, true)
        return `Lagging: what comes to ${region} is applied ${EXTRA_LAG} ms later.`
      case 'keep-up':
        await world.setLate(region, false)
        return `Keeping up: ${region} is behind by the ocean alone.`
      case 'stop-database':
        await world.setDatabase(region, false)
        return `Killed: ${region} has no database, and its app still runs.`
      case 'start-database':
        await world.setDatabase(region, true)
        return `Started: ${region} has its database again.`
      case 'region-down':
        await world.setRegion(region, false)
        return `Region down: ${region} is off the map, app and database.`
      case 'region-up':
        await world.setRegion(region, true)
        return `Region up: ${region} is back.`
      case 'promote':
        await world.promote(region)
        return `Promoted: ${region} takes the writes, the others follow it, and no app was restarted. The naive way still goes to ams.`
      case 'rejoin':
        await world.databases.rejoin(region)
        return `Rejoined: the old primary in ${region} follows ${world.home}, and can be promoted again.`
    }
  }

  #tellState(): void {
    this.feed.tell(
      'state',
      REGIONS.map(({ code }) => ({
        code,
        isHome: code === this.#world.home,
        isLeftBehind: this.#world.databases.hasLeftBehind(code),
        replicas: this.#world.databases.replicasIn(code).length,
        home: this.#world.home,
        roundTripMs: roundTrip(code, this.#world.home),
        isRegionDown: this.#world.isRegionDown(code),
        isDatabaseUp: this.#world.databases.first(code).isRunning,
        paused: this.#world.pausedIn(code),
        isLate: this.#world.isLate(code),
        lag: this.#sampler.lagOf(code),
      })),
    )
  }
}
