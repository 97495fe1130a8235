import { readFileSync } from 'node:fs'
import { concurrentBlock } from '../concurrent-block.ts'
import type { Contender, Cost } from './contender.ts'
import type { Workload } from './workloads.ts'

/** The cost of one operation, in µs; of the servers only where the system tells. */
export interface Round extends Cost {
  readonly serverCpu: number | undefined
}

export interface TurnsOptions {
  readonly rounds: number
  /** How long a block takes at the first contender's speed, in ms. */
  readonly blockMs: number
  readonly warmUp: number
  /** The processes that serve a contender's connections. */
  readonly backendsOf: (application: string) => Promise<readonly number[]>
}

/**
 * Runs a block of each contender a round, in an order that turns, to be compared within each round only: what a busy machine does to one
 * it does to its neighbours. The first contender decides how many operations a block has.
 */
export async function measureTurns(
  contenders: readonly Contender[],
  workload: Workload,
  callers: number,
  { rounds, blockMs, warmUp, backendsOf }: TurnsOptions,
): Promise<ReadonlyMap<string, readonly Round[]>> {
  const backends = new Map<string, readonly number[]>()
  for (const contender of contenders) {
    await blockOf(contender, workload, callers, warmUp)
  }
  const operations = await operationsIn(blockMs, contenders[0], workload, callers)
  for (const { name, application } of contenders) backends.set(name, await backendsOf(application))
  const results = new Map<string, Round[]>(contenders.map(({ name }) => [name, []]))
  for (let round = 0; round < rounds; round += 1) {
    const turned = contenders.map((_, index) => contenders[(index + round) % contenders.length])
    for (const contender of round % 2 === 1 ? turned.toReversed() : turned) {
      if (contender === undefined) continue
      const served = backends.get(contender.name) ?? []
      const before = serverNanoseconds(served)
      const cost = await blockOf(contender, workload, callers, operations)
      const after = serverNanoseconds(served)
      // Where none of them has worked, others were opened meanwhile.
      const isKnown = before !== undefined && after !== undefined && after > before
      const serverCpu = isKnown ? (after - before) / 1000 / operations : undefined
      results.get(contender.name)?.push({ ...cost, serverCpu })
    }
  }
  return results
}

/** How many operations of the first contender fill a block. */
async function operationsIn(
  blockMs: number,
  first: Contender | undefined,
  workload: Workload,
  callers: number,
): Promise<number> {
  if (first === undefined) return 0
  let operations = 2 * callers
  for (;;) {
    const { time } = await blockOf(first, workload, callers, operations)
    const elapsed = (time * operations) / 1000
    if (elapsed >= blockMs / 2) return Math.max(callers, Math.round((operations * blockMs) / elapsed))
    operations *= 2
  }
}

async function blockOf(
  { name, runs, elsewhere }: Contender,
  workload: Workload,
  callers: number,
  operations: number,
): Promise<Cost> {
  if (elsewhere !== undefined) return await elsewhere(workload, callers, operations)
  const run = runs[workload]
  if (run === undefined) throw new Error(`[bench] ${name} does not do that`)
  const cpuBefore = process.cpuUsage()
  const start = performance.now()
  await concurrentBlock(run, callers, false)(operations)
  const elapsed = performance.now() - start
  const { user, system } = process.cpuUsage(cpuBefore)
  return { time: (elapsed * 1000) / operations, clientCpu: (user + system) / operations }
}

/** The time that these processes have had on a processor, by Linux; `undefined` elsewhere. */
function serverNanoseconds(processes: readonly number[]): number | undefined {
  let sum = 0
  for (const process of processes) {
    try {
      sum += Number(readFileSync(`/proc/${process}/schedstat`, 'latin1').split(' ')[0])
    } catch {
      return undefined
    }
  }
  return sum
}
