import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Cluster, type ClusterNode, type Replica, startCluster } from '@headwater/cluster'
import { createFlyProxy, type FlyProxy } from '@headwater/fly-proxy'
import { Instance } from './instance.ts'
import { Journal } from './journal.ts'
import { type Answer, type Journey, journeyOf, type Kind } from './journey.ts'
import { type Note, SCHEMA } from './notes.ts'
import {
  AWAY,
  HOME,
  isRegionCode,
  REGIONS,
  REPLICAS,
  type RegionCode,
  regionOf,
  roundTrip,
  SUCCESSOR,
} from './regions.ts'
import { Relay } from './relay.ts'
import { proxyBefore, REPLAY_TIMEOUT_MILLIS, targetOf, type Via } from './via.ts'
import { hasNote, Visitor } from './visitor.ts'

const REQUESTS: Readonly<Record<Kind, { method: string; path: string }>> = {
  read: { method: 'GET', path: '/notes' },
  view: { method: 'GET', path: '/notes/newest' },
  write: { method: 'POST', path: '/notes' },
  naive: { method: 'POST', path: '/naive/notes' },
}

/** How much later than the ocean alone would make it a replica applies what it gets, once it is told to; in ms. */
export const EXTRA_LAG = 30

export interface SendOptions {
  /** What a write says. */
  readonly body?: string
  /** Who sends it. Default: the one visitor of that region. */
  readonly visitor?: Visitor
  /** Whether reads take any replica, whatever the visitor has seen (`consistency: 'eventual'`). */
  readonly isTokenless?: boolean
}

/** Which of a region's replicas stand still. */
export type Paused = 'none' | 'one' | 'all'

/** Three regions on this machine: databases, apps, the ocean between them, and a proxy in front. */
export class World implements AsyncDisposable {
  readonly cluster: Cluster
  readonly proxy: FlyProxy
  readonly startedInMs: number
  readonly #journal: Journal
  /** The ocean between each app and the primary's database. */
  readonly #relays: ReadonlyMap<RegionCode, Relay>
  /** The ocean between each app and the app at home, where Fly's proxy does not carry requests. */
  readonly #hops: ReadonlyMap<RegionCode, Relay>
  /** The ocean between each app elsewhere and the replica that can be promoted. */
  readonly #ways: ReadonlyMap<RegionCode, Relay>
  readonly #instances: readonly Instance[]
  readonly #via: Via
  readonly #resources: AsyncDisposableStack
  readonly #visitors = new Map<RegionCode, Visitor>(REGIONS.map(({ code }) => [code, new Visitor()]))
  readonly #paused = new Map<RegionCode, Paused>()
  readonly #late = new Set<RegionCode>()
  readonly #signal: AbortSignal

  private constructor(parts: {
    cluster: Cluster
    proxy: FlyProxy
    journal: Journal
    relays: ReadonlyMap<RegionCode, Relay>
    hops: ReadonlyMap<RegionCode, Relay>
    ways: ReadonlyMap<RegionCode, Relay>
    instances: readonly Instance[]
    via: Via
    resources: AsyncDisposableStack
    startedInMs: number
    signal: AbortSignal
  }) {
    this.cluster = parts.cluster
    this.proxy = parts.proxy
    this.startedInMs = parts.startedInMs
    this.#journal = parts.journal
    this.#relays = parts.relays
    this.#hops = parts.hops
    this.#ways = parts.ways
    this.#instances = parts.instances
    this.#via = parts.via
    this.#resources = parts.resources
    this.#signal = parts.signal
  }

  /** `signal` ends the start, and later every request that is under way; what was started is disposed of, not by it. */
  static async start(signal: AbortSignal, via: Via = 'fly'): Promise<World> {
    const startedAt = performance.now()
    // Whatever fails half-way, what was started by then ends.
    await using resources = new AsyncDisposableStack()
    const cluster = resources.use(await startCluster({ replicas: [...REPLICAS], signal }))
    await cluster.primary.query(SCHEMA)
    await cluster.waitUntilCaughtUp()
    // The write-ahead log crosses the same ocean as everything else.
    await Promise.all(cluster.replicas.map((node) => node.lag(oneWayTo(regionOf(node.name)))))
    const journal = resources.use(new Journal())
    const relays = new Map<RegionCode, Relay>()
    for (const code of AWAY) {
      const { host, port } = cluster.primary
      relays.set(code, resources.use(await Relay.open({ to: { host, port }, roundTripMs: roundTrip(code, HOME) })))
    }
    const regionAt = new Map<number, RegionCode>([[cluster.primary.port, HOME]])
    for (const relay of relays.values()) regionAt.set(relay.port, HOME)
    for (const node of cluster.replicas) regionAt.set(node.port, regionOf(node.name))
    const ways = new Map<RegionCode, Relay>()
    for (const { code } of REGIONS) {
      const [successor] = cluster.replicas.filter(({ name }) => name === SUCCESSOR)
      if (code === SUCCESSOR || successor === undefined) continue
      const to = { host: successor.host, port: successor.port }
      const way = resources.use(await Relay.open({ to, roundTripMs: roundTrip(code, SUCCESSOR) }))
      ways.set(code, way)
      regionAt.set(way.port, SUCCESSOR)
    }
    const instances: Instance[] = []
    const secret = randomBytes(32).toString('base64')
    const machines = []
    const hops = new Map<RegionCode, Relay>()
    let homePort = 0
    // The app at home first: the others are told where it listens.
    for (const code of [HOME, ...AWAY]) {
      const relay = relays.get(code)
      const to = { host: '127.0.0.1', port: homePort }
      // The ocean between the app here and the app at home; Fly's proxy has its own.
      const link =
        via === 'fly' || code === HOME
          ? undefined
          : resources.use(await Relay.open({ to, roundTripMs: roundTrip(code, HOME) }))
      if (link !== undefined) hops.set(code, link)
      const instance = await Instance.start({
        region: code,
        primaryUrl: urlOf(relay)?.url ?? cluster.primary.url,
        replicaUrls: cluster.replicas.filter(({ name }) => regionOf(name) === code).map(({ url }) => url),
        successor: urlOf(ways.get(code)),
        secret,
        replayTarget: targetOf(via, link?.port ?? 0),
        nodeAt: (port) => regionAt.get(port),
        onVisit: journal.onVisit,
      })
      resources.use(instance)
      instances.push(instance)
      const here = Number(new URL(instance.url).port)
      if (code === HOME) homePort = here
      const proxy = link && (await proxyBefore(via, code, { here, primary: link.port }))
      if (proxy !== undefined) resources.use(proxy)
      const url = proxy === undefined ? instance.url : `http://127.0.0.1:${proxy.port}`
      machines.push({ id: `notes-${code}`, region: code, url })
    }
    const proxy = createFlyProxy({
      apps: [{ name: 'notes', machines }],
      latency: 'real',
      noCandidateWaitMillis: REPLAY_TIMEOUT_MILLIS,
      onEvent: journal.onProxyEvent,
    })
    resources.use(proxy)
    await proxy.listen()
    signal.throwIfAborted()
    const startedInMs = performance.now() - startedAt
    const owned = { resources: resources.move(), startedInMs, signal }
    return new World({ cluster, proxy, journal, relays, hops, ways, instances, via, ...owned })
  }

  /** Where the primary is: what the apps say, once all of them agree. */
  get home(): RegionCode {
    const [first, ...others] = this.#instances.map(({ primaryRegion }) => primaryRegion)
    if (isRegionCode(first) && others.every((other) => other === first)) this.#home = first
    return this.#home
  }

  #home: RegionCode = HOME

  /** Whether the database of a region has had its day: another was promoted in its place, and it would fork the history. */
  isRetired(code: RegionCode): boolean {
    return code === HOME && this.#isPromoted
  }

  #isPromoted = false

  /** A planned switchover to Tokyo: the primary stops, the replica there takes over, the others follow it, and so do the apps. */
  async promote(): Promise<void> {
    if (this.#via !== 'fly') throw new Error('only Fly’s proxy can hand requests over to another region than ams here')
    if (this.#isPromoted) throw new Error('it is the primary already')
    const { primary, replicas } = this.cluster
    const successor = replicas.find(({ name }) => name === SUCCESSOR)
    if (successor === undefined || ![primary, ...replicas].every(({ isRunning }) => isRunning))
      throw new Error('every database has to run for a switchover')
    const others = replicas.filter((replica) => replica !== successor)
    for (const { code } of REGIONS) if (this.pausedIn(code) !== 'none') await this.setPaused(code, 'none')
    await Promise.all(replicas.map((replica) => replica.lag(0)))
    await this.cluster.waitUntilCaughtUp()
    // Nobody may get ahead of the one that takes over.
    await Promise.all(others.map((replica) => replica.disconnect()))
    await primary.stop('fast')
    await successor.promote()
    this.#isPromoted = true
    this.#late.clear()
    for (const replica of others) {
      await replica.follow(successor)
      await replica.lag(Math.round(roundTrip(SUCCESSOR, regionOf(replica.name)) / 2))
    }
    for (const end = performance.now() + 20_000; this.home !== SUCCESSOR; await sleep(50)) {
      if (performance.now() > end) throw new Error('not every app has found the new primary within 20 s')
    }
  }

  /** Sends one request as a client in `region` does, and tells its whole way. */
  async send(kind: Kind, region: RegionCode, options: SendOptions = {}): Promise<Journey & { body: string }> {
    const { method, path } = REQUESTS[kind]
    const { body = `Written from ${region}`, visitor = this.#visitors.get(region), isTokenless = false } = options
    const query = isTokenless && kind !== 'naive' ? '?consistency=eventual' : ''
    const { cookie, ownNote } = visitor ?? {}
    const sentAt = performance.now()
    const sent = { kind, region, sentAt, isTokenless, home: this.home }
    try {
      const response = await fetch(this.proxy.edge(region).url + path + query, {
        method,
        ...(cookie !== undefined && { headers: { cookie } }),
        ...(method === 'POST' && { body }),
        signal: AbortSignal.any([this.#signal, AbortSignal.timeout(30_000)]),
      })
      const text = await response.text()
      visitor?.keep(response.headers.getSetCookie())
      if (kind === 'write' && response.ok && visitor !== undefined) {
        visitor.ownNote = BigInt((JSON.parse(text) as { note: Note }).note.id)
      }
      const answer: Answer = {
        ...sent,
        totalMs: performance.now() - sentAt,
        status: response.status,
        retryAfter: response.headers.get('retry-after') ?? undefined,
        body: text,
        ownNote: kind === 'read' && response.ok ? verdictOn(JSON.parse(text) as Note[], ownNote) : undefined,
      }
      const account = await this.#journal.take(response.headers.get('fly-request-id') ?? '')
      return { ...journeyOf(answer, account), body: text }
    } catch {
      const answer = {
        ...sent,
        totalMs: performance.now() - sentAt,
        status: undefined,
        retryAfter: undefined,
        body: '',
        ownNote: undefined,
      }
      return { ...journeyOf(answer, { event: undefined, visits: [] }), body: '' }
    }
  }

  /** The database of a region; of several, the first. */
  node(code: RegionCode): ClusterNode {
    const [node] = this.#nodes(code)
    if (node === undefined) throw new TypeError(`there is no database in ${code}`)
    return node
  }

  pausedIn(code: RegionCode): Paused {
    return this.#paused.get(code) ?? 'none'
  }

  isRegionDown(code: RegionCode): boolean {
    return this.proxy.faults.downRegions.includes(code)
  }

  /** Holds replicas where they are: they go on receiving and answering, and fall behind. */
  async setPaused(code: RegionCode, paused: Paused): Promise<void> {
    for (const [index, replica] of this.#replicas(code).entries()) {
      const isPaused = paused === 'all' || (paused === 'one' && index === 0)
      await (isPaused ? replica.pauseReplay() : replica.resumeReplay())
    }
    this.#paused.set(code, paused)
  }

  isLate(code: RegionCode): boolean {
    return this.#late.has(code)
  }

  /** Lets replicas apply what they get later than the ocean alone would: by 30 ms, less than a read waits for it. */
  async setLate(code: RegionCode, isLate: boolean): Promise<void> {
    const delay = Math.round(roundTrip(this.home, code) / 2) + (isLate ? EXTRA_LAG : 0)
    await Promise.all(this.#replicas(code).map((replica) => replica.lag(delay)))
    if (isLate) this.#late.add(code)
    else this.#late.delete(code)
  }

  /** Pulls the plug of a region's databases, or starts them again. */
  async setDatabase(code: RegionCode, isUp: boolean): Promise<void> {
    if (this.isRetired(code))
      throw new Error('the old primary stays down: nrt has written on, and it would fork the history')
    await Promise.all(this.#nodes(code).map((node) => (isUp ? node.start() : node.kill())))
    // A server that starts replays whether it was paused or not.
    this.#paused.delete(code)
  }

  /** Takes a whole region off the map, or brings it back: its machines, its links and its database. */
  async setRegion(code: RegionCode, isUp: boolean): Promise<void> {
    const links = [this.#relays, this.#hops].flatMap((ocean) =>
      code === HOME ? [...ocean.values()] : [ocean.get(code)],
    )
    links.push(...(code === SUCCESSOR ? this.#ways.values() : [this.#ways.get(code)]))
    if (!isUp) {
      this.proxy.faults.regionDown(code)
      for (const link of links) link?.setCut(true)
      if (!this.isRetired(code)) await this.setDatabase(code, false)
      return
    }
    if (!this.isRetired(code)) await this.setDatabase(code, true)
    const { proxy } = this
    const isLinkUp = (away: RegionCode): boolean =>
      [away, HOME].every((end) => end === code || !proxy.faults.downRegions.includes(end))
    for (const [away, link] of [...this.#relays, ...this.#hops]) {
      if (away === code || code === HOME) link.setCut(!isLinkUp(away))
    }
    for (const [away, way] of this.#ways) {
      const isUp = [away, SUCCESSOR].every((end) => end === code || !proxy.faults.downRegions.includes(end))
      if (away === code || code === SUCCESSOR) way.setCut(!isUp)
    }
    proxy.faults.regionUp(code)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync()
  }

  #nodes(code: RegionCode): readonly ClusterNode[] {
    return code === HOME ? [this.cluster.primary] : this.#replicas(code)
  }

  #replicas(code: RegionCode): readonly Replica[] {
    return this.cluster.replicas.filter(({ name }) => regionOf(name) === code)
  }
}

/** The server behind a stretch of ocean, as its near end reaches it. */
function urlOf(relay: Relay | undefined): { region: RegionCode; url: string } | undefined {
  return relay && { region: SUCCESSOR, url: `postgres://postgres@127.0.0.1:${relay.port}/postgres` }
}

function verdictOn(notes: readonly Note[], ownNote: bigint | undefined): Answer['ownNote'] {
  if (ownNote === undefined) return undefined
  return hasNote(notes, ownNote) ? 'shown' : 'missing'
}

/** How long the log travels, in ms. */
function oneWayTo(code: RegionCode): number {
  return Math.round(roundTrip(HOME, code) / 2)
}
