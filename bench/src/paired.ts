import type { Summary } from './statistics.ts'
import { summarise } from './statistics.ts'

/** Runs a number of operations and resolves when all are done. */
export type Block = (operations: number) => Promise<void>

export interface PairedOptions {
  readonly pairs: number
  /** How long a block takes at the baseline's speed, in ms. */
  readonly blockMs: number
}

export interface PairedResult {
  /** Operations per second of the candidate over those of the baseline. */
  readonly throughput: Summary
  /** CPU time of this process per operation that the candidate adds, in µs. */
  readonly addedCpu: Summary
  /** CPU time of this process per operation of the baseline, in µs. */
  readonly baselineCpu: Summary
  /** Time per operation of the baseline, in µs. */
  readonly baselineTime: Summary
}

interface Cost {
  readonly time: number
  readonly cpu: number
}

/**
 * Runs short blocks of both, one after the other, and compares within each pair only: what a busy machine does to one
 * it does to its neighbour. Every second pair runs in the other order.
 */
export async function comparePaired(baseline: Block, candidate: Block, options: PairedOptions): Promise<PairedResult> {
  const operations = await operationsIn(options.blockMs, baseline, candidate)
  const throughput: number[] = []
  const addedCpu: number[] = []
  const baselineCpu: number[] = []
  const baselineTime: number[] = []
  for (let pair = 0; pair < options.pairs; pair += 1) {
    const isSwapped = pair % 2 === 1
    const first = await costOf(isSwapped ? candidate : baseline, operations)
    const second = await costOf(isSwapped ? baseline : candidate, operations)
    const [base, other] = isSwapped ? [second, first] : [first, second]
    throughput.push(base.time / other.time)
    addedCpu.push(other.cpu - base.cpu)
    baselineCpu.push(base.cpu)
    baselineTime.push(base.time)
  }
  return {
    throughput: summarise(throughput),
    addedCpu: summarise(addedCpu),
    baselineCpu: summarise(baselineCpu),
    baselineTime: summarise(baselineTime),
  }
}

/** Warms both up, and says how many operations of the baseline fill a block. */
async function operationsIn(blockMs: number, baseline: Block, candidate: Block): Promise<number> {
  let operations = 16
  for (;;) {
    await candidate(operations)
    const { time } = await costOf(baseline, operations)
    const elapsed = (time * operations) / 1000
    if (elapsed >= blockMs / 2) return Math.max(16, Math.round((operations * blockMs) / elapsed))
    operations *= 2
  }
}

/** In µs per operation. */
async function costOf(block: Block, operations: number): Promise<Cost> {
  const cpuBefore = process.cpuUsage()
  const start = performance.now()
  await block(operations)
  const elapsed = performance.now() - start
  const { user, system } = process.cpuUsage(cpuBefore)
  return { time: (elapsed * 1000) / operations, cpu: (user + system) / operations }
}
