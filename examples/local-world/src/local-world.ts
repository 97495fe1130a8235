import { randomBytes } from 'node:crypto'
import { basename } from 'node:path'
import { type Cluster, startCluster } from '@headwater/cluster'
import { createFlyProxy, type FlyProxy, type RequestEvent, realRoundTripMillis } from '@headwater/fly-proxy'
import { AppProcess } from './app-process.ts'
import { Relay } from './relay.ts'
import { proxyBefore, type Via } from './via.ts'

/** Where the primary is, and where its replica is. */
export const REGIONS = ['ams', 'nrt'] as const
export type Region = (typeof REGIONS)[number]

const [HOME, AWAY] = REGIONS

export interface LocalWorldOptions {
  /** The folder of an app with `src/main.ts` and `src/migrate.ts`. */
  readonly folder: string
  /** Hears every line that the app's processes print. Default: nobody does. */
  readonly onLine?: ((from: string, line: string) => void) | undefined
  /** The ports of the edges; default: free ones. */
  readonly ports?: Readonly<Record<Region, number>> | undefined
  /** What hands requests over to the primary's region. Default: Fly's proxy. */
  readonly via?: Via | undefined
  /** Ends the start half-way; what was started by then ends too. */
  readonly signal?: AbortSignal | undefined
}

/**
 * An app in two regions on this machine: a Postgres primary in ams and a replica in nrt, the app's own processes beside
 * them with the environment that Fly would give them, and Fly's proxy in front with the true distance in between. With
 * another `via` that proxy only leads clients to the region next to them.
 */
export class LocalWorld implements AsyncDisposable {
  readonly cluster: Cluster
  readonly proxy: FlyProxy
  readonly apps: Readonly<Record<Region, AppProcess>>
  readonly #options: LocalWorldOptions
  readonly #environment: (region: Region) => Record<string, string>
  readonly #requests: RequestEvent[] = []
  readonly #resources: AsyncDisposableStack

  private constructor(parts: {
    cluster: Cluster
    proxy: FlyProxy
    apps: Record<Region, AppProcess>
    options: LocalWorldOptions
    environment: (region: Region) => Record<string, string>
    resources: AsyncDisposableStack
  }) {
    this.cluster = parts.cluster
    this.proxy = parts.proxy
    this.apps = parts.apps
    this.#options = parts.options
    this.#environment = parts.environment
    this.#resources = parts.resources
    this.proxy.subscribe((event) => {
      if (event.type === 'request') this.#requests.push(event)
    })
  }

  static async start(options: LocalWorldOptions): Promise<LocalWorld> {
    const { folder, onLine, ports, via = 'fly', signal } = options
    await using resources = new AsyncDisposableStack()
    const cluster = resources.use(await startCluster({ replicas: [AWAY], ...(signal && { signal }) }))
    // The ocean between the apps, where Fly's proxy does not carry requests over it. Its far end is known once the app listens.
    const home = { host: '127.0.0.1', port: 0 }
    const ocean = resources.use(await Relay.open({ to: home, roundTripMs: realRoundTripMillis(HOME, AWAY) }))
    const environment = environmentsOf(cluster, { app: basename(folder), via, homePort: ocean.port })
    await migrate(folder, environment(HOME), onLine)
    signal?.throwIfAborted()
    await cluster.waitUntilCaughtUp()
    // What ams writes is known in nrt once it has crossed the ocean.
    await cluster.replicas[0]?.lag(Math.round(realRoundTripMillis(HOME, AWAY) / 2))
    const start = (region: Region): AppProcess =>
      resources.use(
        new AppProcess({
          folder,
          file: 'src/main.ts',
          environment: environment(region),
          onLine: (line) => onLine?.(region, line),
        }),
      )
    const apps = { ams: start('ams'), nrt: start('nrt') }
    home.port = portOf(await apps[HOME].listening())
    const machines: { id: string; region: Region; url: string }[] = []
    for (const region of REGIONS) {
      const here = portOf(await apps[region].listening())
      // Nobody at home asks for home: its own app is as good as any address.
      const before = await proxyBefore(via, { here, primary: region === HOME ? here : ocean.port })
      if (before !== undefined) resources.use(before)
      machines.push({ id: `machine-${region}`, region, url: `http://127.0.0.1:${before?.port ?? here}` })
    }
    const proxy = resources.use(
      createFlyProxy({
        apps: [{ name: basename(folder), machines }],
        latency: 'real',
        ...(ports && { ports }),
      }),
    )
    await proxy.listen()
    signal?.throwIfAborted()
    return new LocalWorld({ cluster, proxy, apps, options, environment, resources: resources.move() })
  }

  /** Where a browser in `region` goes. */
  url(region: Region): string {
    return this.proxy.edge(region).url
  }

  /** Runs the app's migrations once more, or on another database. Throws, with what they printed, when they fail. */
  async migrate(databaseUrl: string = this.cluster.primary.url): Promise<string> {
    const environment = { ...this.#environment(HOME), DATABASE_URL: databaseUrl }
    return await migrate(this.#options.folder, environment, this.#options.onLine)
  }

  /** The way of the last request through the proxy, region by region; forgets it and those before. */
  async lastWay(): Promise<string> {
    // The proxy tells of a request once its last byte is out: a moment after the client has it.
    for (let tries = 0; this.#requests.length === 0 && tries < 200; tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    const event = this.#requests.pop()
    this.#requests.length = 0
    if (event === undefined) throw new Error('the proxy has seen no request')
    return event.hops.map(({ region }) => region).join(' → ')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync()
  }
}

/** What Fly sets by itself, and what an operator sets with `fly secrets set`. */
function environmentsOf(
  cluster: Cluster,
  { app, via, homePort }: { readonly app: string; readonly via: Via; readonly homePort: number },
): (region: Region) => Record<string, string> {
  const HEADWATER_SECRET = randomBytes(32).toString('base64')
  const SESSION_SECRET = randomBytes(32).toString('base64')
  const [replica] = cluster.replicas
  return (region) => ({
    FLY_APP_NAME: app,
    FLY_REGION: region,
    FLY_MACHINE_ID: `machine-${region}`,
    PRIMARY_REGION: HOME,
    DATABASE_URL: cluster.primary.url,
    ...(region === AWAY && replica !== undefined && { DATABASE_REPLICA_URL: replica.url }),
    HEADWATER_SECRET,
    SESSION_SECRET,
    REPLAY_VIA: via,
    ...(via === 'forward' && { PRIMARY_APP_URL: `http://127.0.0.1:${homePort}` }),
    HOST: '127.0.0.1',
    // A free one; the app says which.
    PORT: '0',
  })
}

function portOf(url: string): number {
  return Number(new URL(url).port)
}

async function migrate(
  folder: string,
  environment: Record<string, string>,
  onLine: LocalWorldOptions['onLine'],
): Promise<string> {
  await using running = new AppProcess({
    folder,
    file: 'src/migrate.ts',
    environment: { ...environment, RELEASE_COMMAND: '1' },
    onLine: (line) => onLine?.('migrate', line),
  })
  const { code, output } = await running.finished()
  if (code !== 0) throw new Error(`the migrations ended with ${code}:\n${output}`)
  return output
}
