import { type Position, SEEN_UNKNOWN, type Seen, Trail, toLsn } from '@headwater/core/internal'
import { describe, expect, test } from 'vitest'

const at = (lsn: bigint, timeline = 1): Position => ({ cluster: 7n, timeline, lsn: toLsn(lsn) })
const seen = (lsn: bigint, node = 0): Seen => ({ ...at(lsn), node })

/** A primary that says where it stands, and counts how often it was asked. */
function primaryAt(...positions: readonly (Position | Error)[]): {
  asked: number
  whereIsPrimary: () => Promise<Position>
} {
  return {
    asked: 0,
    async whereIsPrimary() {
      const answer = positions[Math.min(this.asked, positions.length - 1)]
      this.asked += 1
      if (answer === undefined || answer instanceof Error) throw answer ?? new Error('it cannot say')
      return answer
    },
  }
}

test('F5: whether a scope itself has seen something that counts', () => {
  const primary = primaryAt(at(20n))
  const of = (act: (trail: Trail) => void, isTracked = true): boolean => {
    const trail = new Trail({ floor: seen(10n, 3), isTracked })
    act(trail)
    return trail.hasSeenMore
  }
  expect(of(() => {})).toBe(false)
  expect(of((trail) => trail.readAtReplica(seen(12n, 3)))).toBe(true)
  expect(of((trail) => trail.readAtReplica(seen(12n, 3)), false)).toBe(false)
  expect(of((trail) => trail.readAtPrimary(primary))).toBe(true)
  expect(of((trail) => trail.readAtPrimary(primary), false)).toBe(false)
  expect(of((trail) => trail.writeSent(primary))).toBe(true)
})

describe('what can be settled without asking', () => {
  test('F2: nothing was done: the floor, and no round trip', async () => {
    for (const floor of [undefined, seen(10n)]) {
      const trail = new Trail({ floor })
      expect([trail.mustAsk, trail.settleNow(), await trail.settle()]).toEqual([false, floor, floor])
    }
  })

  test('F5: a tracked read from a replica leaves its mark, and no round trip', async () => {
    const trail = new Trail({ floor: seen(10n) })
    trail.readAtReplica(seen(12n, 3))
    expect([trail.mustAsk, trail.settleNow()]).toEqual([false, seen(10n, 3)])
    expect(await trail.settle()).toEqual(trail.settleNow())
  })

  test('F2: a write that brought its position along needs no round trip', async () => {
    const primary = primaryAt(at(99n))
    const trail = new Trail({ isWanted: true })
    trail.writeSent(primary)
    trail.writeEnded()
    trail.committedAt(at(20n))
    expect([trail.mustAsk, trail.settleNow()]).toEqual([false, seen(20n)])
    expect(await trail.settle()).toEqual(seen(20n))
    expect(primary.asked).toBe(0)
  })

  test('F2: a write that did not is unknown until the primary was asked, once', async () => {
    const primary = primaryAt(at(20n), at(99n))
    const trail = new Trail()
    trail.writeSent(primary)
    trail.writeEnded()
    expect([trail.mustAsk, trail.settleNow()]).toEqual([true, SEEN_UNKNOWN])
    expect(await trail.settle()).toEqual(seen(20n))
    expect([trail.mustAsk, trail.settleNow(), await trail.settle()]).toEqual([false, seen(20n), seen(20n)])
    expect(primary.asked).toBe(1)
  })

  test('F2: a write that is underway is unknown, and nobody is asked', async () => {
    const primary = primaryAt(at(20n))
    const trail = new Trail()
    trail.writeSent(primary)
    expect([trail.mustAsk, trail.settleNow(), await trail.settle()]).toEqual([false, SEEN_UNKNOWN, SEEN_UNKNOWN])
    expect(primary.asked).toBe(0)
  })

  test('F2: a primary that cannot say leaves it unknown, and may be asked again', async () => {
    const trail = new Trail()
    trail.writeSent(primaryAt(new Error('gone'), at(20n)))
    trail.writeEnded()
    expect(await trail.settle()).toBe(SEEN_UNKNOWN)
    expect(trail.mustAsk).toBe(true)
    expect(await trail.settle()).toEqual(seen(20n))
  })

  test('F2: what was written while the primary was asked may lie behind its answer', async () => {
    const trail = new Trail()
    const primary = {
      async whereIsPrimary(): Promise<Position> {
        trail.writeSent(primary)
        trail.writeEnded()
        return at(20n)
      },
    }
    trail.writeSent(primary)
    trail.writeEnded()
    expect(await trail.settle()).toBe(SEEN_UNKNOWN)
  })

  test('F2: two databases have no common position, also when one has said its own', async () => {
    const one = primaryAt(at(20n))
    const trail = new Trail()
    for (const source of [one, primaryAt(at(30n))]) {
      trail.writeSent(source)
      trail.writeEnded()
    }
    trail.committedAt(at(30n))
    expect([trail.mustAsk, trail.settleNow(), await trail.settle()]).toEqual([false, SEEN_UNKNOWN, SEEN_UNKNOWN])
    expect(one.asked).toBe(0)
  })

  test('F2: a write that no source has told of is unknown', async () => {
    const trail = new Trail()
    trail.hasWritten = true
    expect([trail.mustAsk, await trail.settle()]).toEqual([false, SEEN_UNKNOWN])
  })
})
