import { type Cluster, startCluster } from '@headwater/cluster'
import { loadModule } from 'libpg-query'
import { type Corpus, CorpusUnavailable, type Suite } from './corpus.ts'
import { type RunOptions, runSuite } from './runner.ts'
import { Tally } from './tally.ts'

export interface JudgeOptions {
  readonly corpora: readonly Corpus[]
  readonly cacheFolder: string
  /** Texts of each corpus at most. */
  readonly limit: number
  readonly seed: number
  readonly signal: AbortSignal
  readonly learn?: RunOptions['learn'] | undefined
  readonly report?: (line: string) => void
}

export interface JudgeResult {
  readonly tallies: readonly Tally[]
  /** What was left out, and why. */
  readonly skipped: readonly { readonly name: string; readonly reason: string }[]
}

/** Runs the corpora one after the other on a cluster of its own, which ends with the run however that ends. */
export async function judgeAll(options: JudgeOptions): Promise<JudgeResult> {
  const { corpora, signal, report = () => undefined } = options
  const tallies: Tally[] = []
  const skipped: { name: string; reason: string }[] = []
  await loadModule()
  // By the folder of their programs: '' is the cluster's own.
  const clusters = new Map<string, Cluster>()
  await using ends = new AsyncDisposableStack()

  async function clusterOf(bin: string): Promise<Cluster> {
    const known = clusters.get(bin)
    if (known !== undefined) return known
    const settings = { shared_buffers: '64MB', wal_keep_size: '1GB' }
    const program = bin === '' ? {} : ({ provider: 'binaries', bin } as const)
    const cluster = ends.use(await startCluster({ replicas: 1, settings, signal, ...program }))
    clusters.set(bin, cluster)
    return cluster
  }

  async function attempt(name: string, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      // Stopped: what was judged by then still counts.
      if (signal.aborted) skipped.push({ name, reason: 'stopped' })
      else if (error instanceof CorpusUnavailable) skipped.push({ name, reason: error.message })
      else throw error
    }
  }

  async function judgeSuite(suite: Suite, cluster: Cluster, tally: Tally): Promise<void> {
    const limit = options.limit - tally.texts
    const run = { cluster, signal, limit, ...(options.learn === undefined ? {} : { learn: options.learn }) }
    for await (const verdict of runSuite(suite, run)) tally.add(verdict)
  }

  for (const corpus of corpora) {
    if (signal.aborted) break
    const begin = performance.now()
    await attempt(corpus.name, async () => {
      const cluster = await clusterOf((await corpus.bin?.(options)) ?? '')
      const suites = await corpus.suites({ ...options, cluster })
      const tally = new Tally(corpus.name)
      tallies.push(tally)
      for (const suite of suites) {
        if (tally.texts >= options.limit || signal.aborted) break
        await attempt(`${corpus.name}/${suite.name}`, () => judgeSuite(suite, cluster, tally))
      }
      report(`${corpus.name}: ${tally.texts} texts in ${((performance.now() - begin) / 1000).toFixed(1)} s`)
    })
  }
  return { tallies, skipped }
}
