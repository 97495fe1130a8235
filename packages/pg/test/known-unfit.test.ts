import { NEVER_REACHED, NO_NODE, type ReadPosition, toLsn } from '@headwater/core/internal'
import { describe, expect, it } from 'vitest'
import type { PoolNode } from '../src/node/pool-node.ts'
import { KnownUnfit } from '../src/reads/known-unfit.ts'

const ALL: readonly PoolNode[] = []
const OTHERS: readonly PoolNode[] = []
const at = (lsn: number, more: Partial<ReadPosition> = {}): ReadPosition => ({
  cluster: 7n,
  timeline: 1,
  lsn: toLsn(BigInt(lsn)),
  node: NO_NODE,
  ...more,
})
const requires = (seen: ReadPosition | undefined) => ({ seen, isTracked: true, maxLag: undefined })

describe('S3: what is known of replicas that are not fit', () => {
  const unfit = new KnownUnfit()
  unfit.note(ALL, requires(at(100)), 1, 'behind')

  it.each([
    ['the same position', ALL, at(100), 1, 'behind'],
    ['a later one', ALL, at(101), 1, 'behind'],
    ['an earlier one', ALL, at(99), 1, undefined],
    ['after another answer', ALL, at(100), 2, undefined],
    ['other replicas', OTHERS, at(100), 1, undefined],
    ['another cluster', ALL, at(100, { cluster: 8n }), 1, undefined],
    ['another timeline', ALL, at(100, { timeline: 2 }), 1, undefined],
    ['a client that has read from one of them', ALL, at(100, { node: 3 }), 1, undefined],
    ['an unknown position', ALL, at(100, { lsn: NEVER_REACHED }), 1, undefined],
    ['no position', ALL, undefined, 1, undefined],
  ] as const)('holds for what it says, and nothing else: %s', (_title, nodes, seen, version, why) => {
    expect(unfit.why(nodes, requires(seen), version)).toBe(why)
  })

  it('is never asked where a lag counts, which grows by itself', () => {
    const bounded = { ...requires(at(100)), maxLag: { bytes: 1, millis: 1 } }
    expect(unfit.why(ALL, bounded, 1)).toBeUndefined()
    const other = new KnownUnfit()
    other.note(ALL, bounded, 1, 'lagging')
    expect(other.why(ALL, requires(at(100)), 1)).toBeUndefined()
  })

  it('is kept for clients of several servers side by side, and forgets what is older than the last answer', () => {
    const many = new KnownUnfit()
    for (let node = 1; node <= 200; node += 1) many.note(ALL, requires(at(100, { node })), 1, 'seen-elsewhere')
    expect(many.why(ALL, requires(at(100, { node: 200 })), 1)).toBe('seen-elsewhere')
    many.note(ALL, requires(at(50)), 2, 'behind')
    expect(many.why(ALL, requires(at(100, { node: 200 })), 2)).toBeUndefined()
    expect(many.why(ALL, requires(at(50)), 2)).toBe('behind')
  })
})
