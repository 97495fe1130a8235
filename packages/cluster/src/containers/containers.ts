import type { StartedNetwork, StartedTestContainer } from 'testcontainers'
import { ClusterError } from '../errors/cluster-error.ts'
import type { ResolvedOptions } from '../options/cluster-options.ts'
import type { ProvidedServers } from '../postgres/server.ts'
import { ContainerServer } from './container-server.ts'

type Testcontainers = typeof import('testcontainers')

const serverPort = 5432
const loopbacks = new Set(['localhost', '127.0.0.1', '::1'])
/** The container's first process: keeps it up, ends at once when asked, and reaps what postgres leaves. */
const idleScript = 'trap "exit 0" TERM INT; while :; do sleep 3600 & wait $!; done'

/**
 * The provider `testcontainers`: one container per node, in a network of their own; replicas are made by
 * pg_basebackup. Testcontainers' reaper removes them should our process die.
 *
 * @throws ClusterError CLUSTER_DOCKER_MISSING, CLUSTER_START_FAILED
 */
export async function startContainers(options: ResolvedOptions, signal: AbortSignal): Promise<ProvidedServers> {
  const testcontainers = await load()
  const hostAddress = await addressOfEngine(testcontainers)
  const network = await new testcontainers.Network().start()
  const containers: StartedTestContainer[] = []
  const dispose = async (): Promise<void> => {
    await Promise.allSettled(containers.map((container) => container.stop({ timeout: 0, removeVolumes: true })))
    await network.stop().catch(() => {})
  }
  const create = async (name: string, index: number): Promise<ContainerServer> => {
    signal.throwIfAborted()
    const alias = `node-${index}`
    const container = await startContainer(testcontainers, options, network, { alias, hostAddress })
    containers.push(container)
    signal.throwIfAborted()
    return new ContainerServer({
      name,
      settings: options.settings,
      host: container.getHost(),
      port: container.getMappedPort(serverPort),
      peerAddress: { host: alias, port: serverPort },
      folder: '/headwater',
      container: {
        run: async (command, user) => await container.exec([...command], { user }),
      },
    })
  }
  try {
    const names = ['primary', ...options.replicaNames]
    const created = await allSettled(names.map(create))
    const [primary, ...replicas] = created
    if (!primary) throw new ClusterError('CLUSTER_START_FAILED', 'No container was started.')
    await primary.createPrimary()
    await primary.start()
    await allSettled(
      replicas.map(async (replica) => {
        signal.throwIfAborted()
        await replica.createReplica(primary)
        await replica.start()
      }),
    )
    signal.throwIfAborted()
    return { primary, replicas, dispose }
  } catch (error) {
    await dispose()
    throw error
  }
}

async function startContainer(
  { GenericContainer, Wait }: Testcontainers,
  options: ResolvedOptions,
  network: StartedNetwork,
  { alias, hostAddress }: { readonly alias: string; readonly hostAddress: string | undefined },
): Promise<StartedTestContainer> {
  /** Testcontainers publishes on every interface, and has no option for another; our servers ask for no password. */
  class PublishedOnOneAddress extends GenericContainer {
    protected override async beforeContainerCreated(): Promise<void> {
      if (hostAddress === undefined) return
      this.hostConfig.PortBindings = { [`${serverPort}/tcp`]: [{ HostIp: hostAddress, HostPort: '0' }] }
    }
  }
  try {
    return await new PublishedOnOneAddress(options.image)
      .withEntrypoint(['sh', '-c', idleScript])
      .withNetwork(network)
      .withNetworkAliases(alias)
      .withExposedPorts(serverPort)
      .withStartupTimeout(options.startTimeoutMillis)
      // Nothing listens yet, so the default, to wait for the port, would never end.
      .withWaitStrategy(Wait.forSuccessfulCommand('true'))
      .start()
  } catch (cause) {
    throw new ClusterError('CLUSTER_START_FAILED', `A container of ${options.image} did not start: ${textOf(cause)}.`, {
      cause,
    })
  }
}

async function load(): Promise<Testcontainers> {
  try {
    return await import('testcontainers')
  } catch (cause) {
    throw new ClusterError(
      'CLUSTER_DOCKER_MISSING',
      "The provider 'testcontainers' needs the package testcontainers. Install it: npm install --save-dev testcontainers.",
      { cause },
    )
  }
}

/**
 * Where ports are published: the loopback when we reach the engine's host there. Undefined, so every interface, when the
 * engine is another machine's, or our own process is in a container: what is bound to its loopback is out of our reach.
 */
async function addressOfEngine({ getContainerRuntimeClient }: Testcontainers): Promise<string | undefined> {
  try {
    const { info } = await getContainerRuntimeClient()
    return loopbacks.has(info.containerRuntime.host) ? '127.0.0.1' : undefined
  } catch (cause) {
    throw new ClusterError(
      'CLUSTER_DOCKER_MISSING',
      `No Docker engine answers (${textOf(cause)}). Start one and check it with "docker info", ` +
        "or use the default provider 'embedded', which needs none.",
      { cause },
    )
  }
}

/** Like Promise.all, but nothing is still under way when it rejects. */
async function allSettled<Value>(work: readonly Promise<Value>[]): Promise<Value[]> {
  const results = await Promise.allSettled(work)
  return results.map((result) => {
    if (result.status === 'rejected') throw result.reason
    return result.value
  })
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
