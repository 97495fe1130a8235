import { randomBytes } from 'node:crypto'
import { appendFile, chown, mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { findCacheFolder } from '../machine/cache-folder.ts'
import { findServerUser } from '../machine/find-server-user.ts'
import { findRunFolder } from '../machine/run-folder.ts'
import type { ServerUser } from '../machine/server-user.ts'
import type { ResolvedOptions } from '../options/cluster-options.ts'
import type { ProvidedServers } from '../postgres/server.ts'
import { configurationFile, nodeSettings, primaryConnection, quoteSetting } from '../postgres/server-settings.ts'
import { DataTemplate } from './data-template.ts'
import { LocalServer } from './local-server.ts'
import { findBinaries } from './postgres-binaries.ts'
import { Watchdog } from './watchdog.ts'

/** The providers `embedded` and `binaries`: processes on this machine, with one folder, under a watchdog. */
export async function startLocalServers(options: ResolvedOptions, signal: AbortSignal): Promise<ProvidedServers> {
  const user = await findServerUser()
  const cacheFolder = await findCacheFolder(user)
  const id = randomBytes(6).toString('hex')
  const root = join(await findRunFolder(options.folder, user), `headwater-cluster-${id}`)
  const draft = join(cacheFolder ?? root, `draft-${id}.tar`)
  const watchdog = await Watchdog.start(root, draft)
  const servers: LocalServer[] = []
  const dispose = async () => {
    await Promise.allSettled(servers.map((server) => endServer(server)))
    await rm(root, { recursive: true, force: true, maxRetries: 5 })
    await rm(draft, { force: true })
    await watchdog.release()
  }
  try {
    await makeFolder(root, user)
    const binaries = await findBinaries(options, user, cacheFolder, root)
    const { settings, isTemplateCached, startTimeoutMillis } = options
    const template = new DataTemplate({
      binaries,
      user,
      settings,
      workFolder: root,
      cacheFolder: isTemplateCached ? cacheFolder : undefined,
      draft,
      signal,
    })
    const create = (name: string): LocalServer => {
      const { postgres } = binaries
      const server = new LocalServer({
        name,
        folder: join(root, name),
        postgres,
        user,
        timeoutMillis: startTimeoutMillis,
      })
      servers.push(server)
      return server
    }
    const prepare = async (server: LocalServer): Promise<void> => {
      await makeFolder(join(root, server.name), user)
      await makeFolder(server.dataFolder, user)
      await template.unpack(server.dataFolder)
      const configuration = configurationFile({
        ...nodeSettings(server.name, settings),
        listen_addresses: '127.0.0.1',
        unix_socket_directories: '',
      })
      await appendFile(join(server.dataFolder, 'postgresql.conf'), configuration)
    }
    const primary = create('primary')
    const replicas = options.replicaNames.map(create)
    const prepared = replicas.map(prepare)
    // Start the primary while the replicas' folders are still being unpacked.
    const isPrimaryUp = prepare(primary).then(() => primary.startOnFreePort(signal))
    await settled([
      isPrimaryUp,
      ...replicas.map(async (replica, index) => {
        await Promise.all([prepared[index], isPrimaryUp])
        signal.throwIfAborted()
        const connection = primaryConnection(primary.peerAddress, replica.name)
        await appendFile(
          join(replica.dataFolder, 'postgresql.auto.conf'),
          `primary_conninfo = ${quoteSetting(connection)}\n`,
        )
        await writeFile(join(replica.dataFolder, 'standby.signal'), '')
        await replica.startOnFreePort(signal)
      }),
    ])
    return { primary, replicas, dispose }
  } catch (error) {
    await dispose()
    throw error
  }
}

/** Waits for all, even when one fails: nothing may write to a folder that is being removed. */
async function settled(work: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(work)).find((result) => result.status === 'rejected')
  if (failed) throw failed.reason
}

/**
 * Ends a server by SIGQUIT, which is quickest; its data is thrown away anyway. A server that has not ended after 2 s is killed: it
 * would wait 5 s for a frozen child.
 */
async function endServer(server: LocalServer): Promise<void> {
  await server.stop('immediate', 2_000).catch(() => server.kill())
}

/** Makes a folder that only the server's user can enter, as postgres requires. */
async function makeFolder(folder: string, user: ServerUser): Promise<void> {
  await mkdir(folder, { mode: 0o700 })
  if (user.identity.uid !== undefined) await chown(folder, user.uid, user.identity.gid ?? user.uid)
}
