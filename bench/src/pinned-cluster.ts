import { spawnSync } from 'node:child_process'
import { type Cluster, type ClusterOptions, startCluster } from '@headwater/cluster'

/** A cluster, and whether its servers have processors of their own. */
export interface PinnedCluster extends AsyncDisposable {
  readonly cluster: Cluster
  /** What is to be said of it under a table. */
  readonly note: string
  /** Runs `start` on the first processor, and moves this process to those of the servers: for what is started to be measured by this process. */
  readonly onFirst: <Started>(start: () => Promise<Started>) => Promise<Started>
}

const PINNED = 'This process has one processor, the servers have the others.'
const LOOSE = 'This process and the servers share the processors as the system likes (no taskset, or one processor).'

/**
 * Starts a cluster on all processors but the first, and keeps this process on the first until the cluster is disposed of.
 *
 * In production the database is another machine. Here, a scheduler that moves servers onto the client's processor and away
 * again makes twins differ by a fifth. Linux with `taskset`; elsewhere nothing is pinned. What `startBeside` starts is with the servers,
 * and ends with them.
 */
export async function startPinnedCluster(
  options: ClusterOptions,
  startBeside: (cluster: Cluster) => Promise<AsyncDisposable | undefined> = async () => undefined,
): Promise<PinnedCluster> {
  const all = processorsOfThisProcess()
  const [first, ...others] = all
  // What is started inherits it.
  const isPinned = first !== undefined && others.length > 0 && moveThisProcess(others)
  try {
    const cluster = await startCluster(options)
    const beside = await startBeside(cluster).catch(async (error: unknown) => {
      await cluster.stop()
      throw error
    })
    if (isPinned) moveThisProcess([first])
    return {
      cluster,
      note: isPinned ? PINNED : LOOSE,
      onFirst: async (start) => {
        if (isPinned) moveThisProcess([first])
        try {
          return await start()
        } finally {
          if (isPinned) moveThisProcess(others)
        }
      },
      [Symbol.asyncDispose]: async () => {
        if (isPinned) moveThisProcess(all)
        await beside?.[Symbol.asyncDispose]()
        await cluster.stop()
      },
    }
  } catch (error) {
    if (isPinned) moveThisProcess(all)
    throw error
  }
}

/** Empty where that is not known. */
function processorsOfThisProcess(): readonly number[] {
  const { status, stdout } = spawnSync('taskset', ['-cp', String(process.pid)], { encoding: 'utf8' })
  if (status !== 0) return []
  // `pid 7's current affinity list: 0-2,5`
  const list = /:\s*([\d,-]+)\s*$/.exec(stdout)?.[1] ?? ''
  return list.split(',').flatMap((range) => {
    const [low = Number.NaN, high = low] = range.split('-').map(Number)
    return Array.from({ length: high - low + 1 || 0 }, (_, index) => low + index)
  })
}

function moveThisProcess(processors: readonly number[]): boolean {
  return spawnSync('taskset', ['-acp', processors.join(','), String(process.pid)]).status === 0
}
