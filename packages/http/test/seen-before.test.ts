import {
  NO_NODE,
  type ReadPosition,
  SEVERAL_NODES,
  type Token,
  toLsn,
  UNKNOWN_POSITION,
} from '@headwater/core/internal'
import { describe, expect, test } from 'vitest'
import { seenBefore } from '../src/token/seen-before.ts'

const NOW = 1_790_000_000_000
const later: ReadPosition = { cluster: 7n, timeline: 1, lsn: toLsn(50n), node: NO_NODE }
const at = (lsn: bigint, node: number, issuedAt: number): Token => ({
  ...later,
  lsn: toLsn(lsn),
  node,
  issuedAt,
  expires: NOW + 60_000,
})
const old = [at(5n, 3, NOW - 1000), at(0n, 4, NOW - 500), at(6n, NO_NODE, NOW)]

/** A pool whose primary was asked at `askedAt`, and when it was wanted. */
function asked(askedAt: number, position = later) {
  const wanted: number[] = []
  const positionSince = (time: number): ReadPosition | undefined => {
    wanted.push(time)
    return askedAt >= time ? position : undefined
  }
  return { wanted, positionSince }
}

describe('F5: the marks of two replicas', () => {
  test('are replaced with a position that was asked for once both were over', () => {
    const pool = asked(NOW - 300)
    expect(seenBefore(old, NOW, pool)).toEqual(later)
    expect(pool.wanted).toEqual([NOW - 300])
    expect(seenBefore(old, NOW, asked(NOW - 301))).toEqual({ ...later, lsn: toLsn(6n), node: SEVERAL_NODES })
    expect(seenBefore(old, NOW, {})?.node).toBe(SEVERAL_NODES)
  })

  test('stay while one is not over, and nobody is asked', () => {
    const pool = asked(NOW)
    expect(seenBefore([...old, at(0n, 5, NOW - 100)], NOW, pool)?.node).toBe(SEVERAL_NODES)
    expect(pool.wanted).toEqual([])
  })

  test('lose nothing that was seen at a later position', () => {
    expect(seenBefore([...old, at(90n, NO_NODE, NOW)], NOW, asked(NOW))).toMatchObject({ lsn: 90n, node: NO_NODE })
  })

  test('F7: stay when the position is of an older timeline or of another cluster', () => {
    const promoted = old.map((token) => ({ ...token, timeline: 2 }))
    expect(seenBefore(promoted, NOW, asked(NOW))?.node).toBe(SEVERAL_NODES)
    expect(seenBefore(old, NOW, asked(NOW, { ...later, cluster: 8n }))?.node).toBe(SEVERAL_NODES)
    expect(seenBefore(old, NOW, asked(NOW, { ...later, timeline: 2 }))).toEqual({ ...later, timeline: 2 })
  })
})

test('F2: one mark, positions, nothing and what is unknown are left as they are', () => {
  const pool = asked(NOW)
  expect(seenBefore([], NOW, pool)).toBeUndefined()
  expect(seenBefore(old.slice(0, 1), NOW, pool)).toMatchObject({ lsn: 5n, node: 3 })
  expect(seenBefore(old.slice(2), NOW, pool)).toMatchObject({ lsn: 6n, node: NO_NODE })
  const unknown = { ...UNKNOWN_POSITION, issuedAt: NOW - 5000, expires: NOW + 1 }
  expect(seenBefore([...old, unknown], NOW, pool)).toMatchObject(UNKNOWN_POSITION)
  expect(pool.wanted).toEqual([])
})
