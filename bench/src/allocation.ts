import { PerformanceObserver } from 'node:perf_hooks'
import type { Block } from './paired.ts'
import { type Summary, summarise } from './statistics.ts'

/** So few that the young generation holds what they leave behind: a collection in between would hide it. */
const OPERATIONS = 100

/**
 * Heap bytes per operation that `candidate` allocates more than `baseline`, and those of `baseline`, from pairs of
 * blocks in alternating order, each between a forced collection and a look at the heap.
 *
 * @throws {Error} without `--expose-gc`.
 */
export async function compareAllocations(
  baseline: Block,
  candidate: Block,
  pairs: number,
): Promise<{ readonly added: Summary; readonly baseline: Summary }> {
  const added: number[] = []
  const own: number[] = []
  for (let pair = 0; pair < pairs; pair += 1) {
    const isSwapped = pair % 2 === 1
    const first = await bytesOf(isSwapped ? candidate : baseline)
    const second = await bytesOf(isSwapped ? baseline : candidate)
    const [base, other] = isSwapped ? [second, first] : [first, second]
    if (base === undefined || other === undefined) continue
    added.push(other - base)
    own.push(base)
  }
  return { added: summarise(added), baseline: summarise(own) }
}

/** `undefined` when the collector ran in the middle. */
async function bytesOf(block: Block): Promise<number | undefined> {
  if (globalThis.gc === undefined) throw new Error('[bench] no gc(): run node with --expose-gc')
  let collections = 0
  const observer = new PerformanceObserver((list) => {
    collections += list.getEntries().length
  })
  await block(8)
  globalThis.gc()
  // The forced collection is reported on a later turn.
  await new Promise((resolve) => setImmediate(resolve))
  observer.observe({ entryTypes: ['gc'] })
  try {
    const before = process.memoryUsage().heapUsed
    await block(OPERATIONS)
    const after = process.memoryUsage().heapUsed
    await new Promise((resolve) => setImmediate(resolve))
    return collections > 0 || after < before ? undefined : (after - before) / OPERATIONS
  } finally {
    observer.disconnect()
  }
}
