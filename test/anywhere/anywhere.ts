import { openWire, type Wire } from '@headwater/cluster'
import { World } from '@headwater/test-world'
import { type Asked, ask, type Seen } from './ask.ts'
import { type RegionName, RegionProcess } from './region-process.ts'
import { type Edge, type Way, type WayName, wayOf } from './ways.ts'

const SCHEMA = 'create table landing (key text not null, digest text not null, region text not null);'

/** The regions that clients come from, and the time to the primary's and back, in ms: Tokyo and Chicago, to Amsterdam. */
export const AWAY = { nrt: 240, ord: 101 } as const
export type Away = keyof typeof AWAY
export const AWAY_REGIONS = Object.keys(AWAY) as Away[]

/** What has landed in the database under a key. */
export interface Landing {
  readonly digest: string
  readonly region: string
}

/** One app in three regions, a process each, over a primary and two replicas; an ocean in between, and a way over it for requests. */
export class Anywhere implements AsyncDisposable {
  readonly way: Way
  readonly apps: Readonly<Record<RegionName, RegionProcess>>
  /** The ocean between each region and the app of the primary's. */
  readonly oceans: Readonly<Record<Away, Wire>>
  readonly #world: World
  readonly #edges: Partial<Record<Away, Edge>> = {}
  readonly #resources: AsyncDisposableStack

  private constructor(
    way: Way,
    world: World,
    apps: Record<RegionName, RegionProcess>,
    oceans: Record<Away, Wire>,
    resources: AsyncDisposableStack,
  ) {
    this.way = way
    this.#world = world
    this.apps = apps
    this.oceans = oceans
    this.#resources = resources
  }

  static async open(name: WayName): Promise<Anywhere> {
    const way = wayOf(name)
    // Whatever fails half-way, what was started by then ends.
    await using resources = new AsyncDisposableStack()
    const world = resources.use(await World.start({ schema: SCHEMA, replicas: AWAY_REGIONS }))
    const start = async (region: RegionName, far: number): Promise<RegionProcess> => {
      const replica = world.cluster.replicas.find((node) => node.name === region)?.url
      return resources.use(
        await RegionProcess.start({ region, primary: world.cluster.primary.url, replica, way: name, far }),
      )
    }
    // The app at home first: the others are told where it is.
    const ams = await start('ams', 1)
    const cross = async (): Promise<Wire> => {
      return resources.use(await openWire({ host: '127.0.0.1', port: ams.port }))
    }
    const oceans = { nrt: await cross(), ord: await cross() }
    const [nrt, ord] = await Promise.all([start('nrt', oceans.nrt.port), start('ord', oceans.ord.port)])
    const anywhere = new Anywhere(way, world, { ams, nrt, ord }, oceans, resources.move())
    for (const region of AWAY_REGIONS) anywhere.#widen(region)
    await Promise.all(AWAY_REGIONS.map((region) => anywhere.openEdge(region)))
    return anywhere
  }

  /** A request of a client in `region`. Never rejects. */
  async ask(region: Away, path: string, asked?: Asked): Promise<Seen> {
    return await ask(this.#edges[region]?.port ?? this.apps[region].port, path, asked)
  }

  /** Opens a way straight over the ocean, with nobody in between, for comparison. */
  async openStraight(region: Away): Promise<(path: string, asked: Asked) => Promise<Seen>> {
    const wire = this.#resources.use(await openWire({ host: '127.0.0.1', port: this.apps.ams.port }))
    wire.slow({ latencyMillis: AWAY[region] / 2 })
    return (path, asked) => ask(wire.port, path, asked)
  }

  /** What has landed, by key. */
  async landed(): Promise<ReadonlyMap<string, readonly Landing[]>> {
    const { rows } = await this.#world.admin.query<Landing & { key: string }>('select key, digest, region from landing')
    const found = new Map<string, Landing[]>()
    for (const { key, ...landing } of rows) found.set(key, [...(found.get(key) ?? []), landing])
    return found
  }

  async openEdge(region: Away): Promise<void> {
    const edge = await this.way.open?.(region, this.apps[region].port, this.oceans[region].port)
    if (edge !== undefined) this.#edges[region] = edge
  }

  /** Kills the app of the primary's region: from then on nobody listens there, as seen from the other regions too. */
  async killPrimaryApp(): Promise<void> {
    await this.apps.ams.kill()
    await Promise.all(AWAY_REGIONS.map((region) => this.oceans[region].refuse()))
  }

  async restartPrimaryApp(): Promise<void> {
    await this.apps.ams.restart()
    await Promise.all(AWAY_REGIONS.map((region) => this.healOcean(region)))
  }

  /** Ends what was done to the ocean; it stays as wide as it is. */
  async healOcean(region: Away): Promise<void> {
    await this.oceans[region].heal()
    this.#widen(region)
  }

  #widen(region: Away): void {
    // Fly's proxy has an ocean of its own.
    if (!this.way.hasOwnOcean) this.oceans[region].slow({ latencyMillis: AWAY[region] / 2 })
  }

  /** Kills what hands requests over to the primary's region; `openForwarder()` starts it again. */
  async killForwarder(region: Away): Promise<void> {
    await (this.#edges[region] ?? this.apps[region]).kill()
  }

  async openForwarder(region: Away): Promise<void> {
    const edge = this.#edges[region]
    if (edge === undefined) return await this.apps[region].restart()
    await edge[Symbol.asyncDispose]()
    await this.openEdge(region)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(Object.values(this.#edges).map((edge) => edge[Symbol.asyncDispose]()))
    await this.#resources.disposeAsync()
  }
}
