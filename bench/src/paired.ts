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

/** One block of each, one right after the other. */
export interface Pair {
  readonly baseline: Cost
  readonly candidate: Cost
}

/**
 * Runs short blocks of both, one after the other, to be compared within each pair only: what a busy machine does to one
 * it does to its neighbour. Every second pair runs in the other order.
 */
export async function measurePairs(
  baseline: Block,
  candidate: Block,
  options: PairedOptions,
): Promise<readonly Pair[]> {
  const operations = await operationsIn(options.blockMs, baseline, candidate)
  const pairs: Pair[] = []
  for (let pair = 0; pair < options.pairs; pair += 1) {
    const isSwapped = pair % 2 === 1
    const first = await costOf(isSwapped ? candidate : baseline, operations)
    const second = await costOf(isSwapped ? baseline : candidate, operations)
    pairs.push(isSwapped ? { baseline: second, candidate: first } : { baseline: first, candidate: second })
  }
  return pairs
}

/** What the pairs say together. */
export function comparePairs(pairs: readonly Pair[]): PairedResult {
  return {
    throughput: summarise(pairs.map(({ baseline, candidate }) => baseline.time / candidate.time)),
    addedCpu: summarise(pairs.map(({ baseline, candidate }) => candidate.cpu - baseline.cpu)),
    baselineCpu: summarise(pairs.map(({ baseline }) => baseline.cpu)),
    baselineTime: summarise(pairs.map(({ baseline }) => baseline.time)),
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
