import { existsSync } from 'node:fs'
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ClusterError, startCluster } from '../src/index.ts'
import { processesOf, rootOf } from './fixtures/leftovers.ts'
import { type Ending, runProgram } from './fixtures/run-program.ts'

/** Milliseconds until neither a process nor a folder is left. */
async function timeUntilGone(root: string): Promise<number> {
  const start = performance.now()
  while (existsSync(root) || (await processesOf(root)).length > 0) {
    if (performance.now() - start > 10_000) throw new Error(`Left behind: ${await processesOf(root)} ${root}`)
    await sleep(10)
  }
  return performance.now() - start
}

describe('nothing is left behind', () => {
  const endings: readonly [what: string, ending: Ending, signal: NodeJS.Signals | undefined, code: number | null][] = [
    ['stop()', 'stop', undefined, 0],
    ['the end of a program that forgot to stop()', 'forget', undefined, 0],
    ['process.exit()', 'exit', undefined, 0],
    ['an uncaught exception', 'throw', undefined, 1],
    ['SIGKILL', 'wait', 'SIGKILL', null],
    ['SIGINT', 'wait', 'SIGINT', null],
    ['SIGTERM', 'wait', 'SIGTERM', null],
    ['SIGHUP', 'wait', 'SIGHUP', null],
  ]
  test.each(endings)('after %s', async (what, ending, signal, code) => {
    const program = await runProgram(ending, { replicas: 1 })
    const root = rootOf(program.report.dataFolder ?? '')
    if (signal) {
      expect((await processesOf(root)).length).toBeGreaterThan(2)
      program.child.kill(signal)
    }
    // A signal is not swallowed: the program dies of it, as it would without a cluster.
    expect(await program.exit).toEqual({ code, signal: signal ?? null })
    console.info(`after ${what}: gone in ${(await timeUntilGone(root)).toFixed(0)} ms`)
  })
})

describe('a start that is cut short', () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cluster-abort-'))
    await chmod(folder, 0o755)
  })
  afterAll(() => rm(folder, { recursive: true }))

  // Cold takes a second: these land in initdb, in the packing, in the unpacking, in the starting of servers.
  test.each([0, 20, 60, 150, 400, 700, 900])('after %i ms by a signal removes what it made', async (delay) => {
    const reason = new Error('changed my mind')
    const controller = new AbortController()
    setTimeout(() => controller.abort(reason), delay)
    const start = startCluster({ folder, isTemplateCached: delay < 100, signal: controller.signal })
    // A quick machine may be done before: then there is a cluster, and it is stopped.
    const result = await start.then(
      (cluster) => cluster.stop(),
      (error: unknown) => error,
    )
    expect([undefined, reason]).toContain(result)
    expect(await readdir(folder)).toEqual([])
    expect(await processesOf(folder)).toEqual([])
  })

  test('before it began does nothing at all', async () => {
    const reason = new Error('never mind')
    await expect(startCluster({ folder, signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  })

  test('by its time limit is a typed error', async () => {
    const error = await startCluster({ folder, startTimeoutMillis: 5 }).catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(ClusterError)
    expect(error).toMatchObject({ code: 'CLUSTER_START_FAILED', message: expect.stringContaining('within 5 ms') })
    expect(await readdir(folder)).toEqual([])
  })
})
