import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Cluster, startCluster } from '@headwater/cluster'
import { proxyBefore, type Via } from '@headwater/example-local-world/via'
import { createFlyProxy, type FlyProxy } from '@headwater/fly-proxy'
import { Databases } from './databases.ts'
import { Instance } from './instance.ts'
import { Journal } from './journal.ts'
import { type Answer, type Journey, journeyOf, type Kind } from './journey.ts'
import { type Note, SCHEMA } from './notes.ts'
import { Oceans } from './oceans.ts'
import { CANDIDATES, HOME, isRegionCode, REGIONS, REPLICAS, type RegionCode, regionOf } from './regions.ts'
import { REPLAY_TIMEOUT_MILLIS, targetOf } from './via.ts'
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

/** How long the apps may take to find the primary, in ms. */
const PATIENCE_MILLIS = 20_000

interface WorldParts {
  readonly cluster: Cluster
  readonly databases: Databases
  readonly proxy: FlyProxy
  readonly journal: Journal
  readonly oceans: Oceans
  readonly instances: readonly Instance[]
  readonly resources: AsyncDisposableStack
  readonly startedInMs: number
  readonly signal: AbortSignal
}

/** Three regions on this machine: databases, apps, the ocean between them, and a proxy in front. */
export class World implements AsyncDisposable {
  readonly cluster: Cluster
  readonly databases: Databases
  readonly proxy: FlyProxy
  readonly startedInMs: number
  readonly #parts: WorldParts
  readonly #visitors = new Map<RegionCode, Visitor>(REGIONS.map(({ code }) => [code, new Visitor()]))
  readonly #paused = new Map<RegionCode, Paused>()
  readonly #late = new Set<RegionCode>()
  #home: RegionCode = HOME

  private constructor(parts: WorldParts) {
    this.cluster = parts.cluster
    this.databases = parts.databases
    this.proxy = parts.proxy
    this.startedInMs = parts.startedInMs
    this.#parts = parts
  }

  /** `signal` ends the start, and later every request that is under way; what was started is disposed of, not by it. */
  static async start(signal: AbortSignal, via: Via = 'fly'): Promise<World> {
    const startedAt = performance.now()
    // Whatever fails half-way, what was started by then ends.
    await using resources = new AsyncDisposableStack()
    const cluster = resources.use(await startCluster({ replicas: [...REPLICAS], signal }))
    await cluster.primary.query(SCHEMA)
    await cluster.waitUntilCaughtUp()
    const databases = new Databases(cluster)
    // The write-ahead log crosses the same ocean as everything else.
    await Promise.all(cluster.replicas.map((node) => databases.setLag(node, 0)))
    const journal = resources.use(new Journal())
    const oceans = resources.use(new Oceans())
    const regionAt = new Map<number, RegionCode>([[cluster.primary.port, HOME]])
    for (const node of cluster.replicas) regionAt.set(node.port, regionOf(node.name))
    const secret = randomBytes(32).toString('base64')
    // Where the app of each region listens: the others are told before it does.
    const apps = new Map(REGIONS.map(({ code }) => [code, { host: '127.0.0.1', port: 0 }]))
    const [instances, machines]: [Instance[], { id: string; region: string; url: string }[]] = [[], []]
    const inFront: (() => Promise<void>)[] = []
    for (const { code } of REGIONS) {
      const servers = databases.in(code).map(({ url }) => ({ region: code, url }))
      const hops: Partial<Record<RegionCode, number>> = {}
      for (const there of CANDIDATES.filter((candidate) => candidate !== code)) {
        const relay = await oceans.open(code, there, databases.first(there))
        regionAt.set(relay.port, there)
        servers.push({ region: there, url: `postgres://postgres@127.0.0.1:${relay.port}/postgres` })
        const app = apps.get(there)
        // The ocean between the app here and the app there; Fly's proxy has its own.
        if (via !== 'fly' && app !== undefined) hops[there] = (await oceans.open(code, there, app)).port
      }
      const instance = resources.use(
        await Instance.start({
          region: code,
          servers,
          secret,
          replayTarget: targetOf(via, hops),
          nodeAt: (port) => regionAt.get(port),
          onVisit: journal.onVisit,
        }),
      )
      instances.push(instance)
      const app = apps.get(code)
      if (app !== undefined) app.port = Number(new URL(instance.url).port)
      inFront.push(async () => {
        const here = Number(new URL(instance.url).port)
        // Nobody in the first region asks for that region: its own app is as good as any address.
        const { [HOME]: primary = here, ...others } = hops
        const proxy = await proxyBefore(via, { here, primary, others })
        if (proxy !== undefined) resources.use(proxy)
        const url = proxy === undefined ? instance.url : `http://127.0.0.1:${proxy.port}`
        machines.push({ id: `notes-${code}`, region: code, url })
      })
    }
    for (const putInFront of inFront) await putInFront()
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
    return new World({ cluster, databases, proxy, journal, oceans, instances, ...owned })
  }

  /** Where the primary is: what the apps say, once all of them agree. */
  get home(): RegionCode {
    const [first, ...others] = this.#parts.instances.map(({ primaryRegion }) => primaryRegion)
    if (isRegionCode(first) && others.every((other) => other === first)) this.#home = first
    return this.#home
  }

  /** A planned switchover: the primary stops, the replica in that region takes over, the others follow it, and so do the apps. */
  async promote(code: RegionCode): Promise<void> {
    for (const region of REGIONS) if (this.pausedIn(region.code) !== 'none') await this.setPaused(region.code, 'none')
    await this.databases.promote(code)
    this.#late.clear()
    for (const end = performance.now() + PATIENCE_MILLIS; this.home !== code; await sleep(50)) {
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
        signal: AbortSignal.any([this.#parts.signal, AbortSignal.timeout(30_000)]),
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
      const account = await this.#parts.journal.take(response.headers.get('fly-request-id') ?? '')
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

  pausedIn(code: RegionCode): Paused {
    return this.#paused.get(code) ?? 'none'
  }

  isRegionDown(code: RegionCode): boolean {
    return this.proxy.faults.downRegions.includes(code)
  }

  /** Holds replicas where they are: they go on receiving and answering, and fall behind. */
  async setPaused(code: RegionCode, paused: Paused): Promise<void> {
    for (const [index, replica] of this.databases.replicasIn(code).entries()) {
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
    const extra = isLate ? EXTRA_LAG : 0
    await Promise.all(this.databases.replicasIn(code).map((replica) => this.databases.setLag(replica, extra)))
    if (isLate) this.#late.add(code)
    else this.#late.delete(code)
  }

  /** Pulls the plug of a region's databases, or starts them again. */
  async setDatabase(code: RegionCode, isUp: boolean): Promise<void> {
    await Promise.all(this.databases.in(code).map((node) => (isUp ? node.start() : node.kill())))
    // A server that starts replays whether it was paused or not.
    this.#paused.delete(code)
  }

  /** Takes a whole region off the map, or brings it back: its machines, its links and its database. */
  async setRegion(code: RegionCode, isUp: boolean): Promise<void> {
    const { faults } = this.proxy
    if (!isUp) faults.regionDown(code)
    else await this.setDatabase(code, true)
    this.#parts.oceans.setDown(faults.downRegions.filter((down) => !isUp || down !== code))
    if (!isUp) await this.setDatabase(code, false)
    else faults.regionUp(code)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.resources.disposeAsync()
  }
}

function verdictOn(notes: readonly Note[], ownNote: bigint | undefined): Answer['ownNote'] {
  if (ownNote === undefined) return undefined
  return hasNote(notes, ownNote) ? 'shown' : 'missing'
}
