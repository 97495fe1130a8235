import { type Position, SEEN_UNKNOWN, SEVERAL_NODES, type Seen, Trail, toLsn } from '@headwater/core/internal'
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

describe('F2: a position is behind all that was done', () => {
  test('one that came while another write was underway is not kept', async () => {
    const primary = primaryAt(at(30n))
    const trail = new Trail()
    trail.writeSent(primary)
    trail.writeSent(primary)
    trail.writeEnded()
    trail.committedAt(at(20n))
    expect([trail.mustAsk, trail.settleNow()]).toEqual([false, SEEN_UNKNOWN])
    trail.writeNotSent()
    expect([trail.mustAsk, trail.settleNow(), await trail.settle()]).toEqual([true, SEEN_UNKNOWN, seen(30n)])
  })

  test('the answer to a question is not kept when a write was sent meanwhile', async () => {
    const trail = new Trail()
    const primary = {
      async whereIsPrimary(): Promise<Position> {
        trail.writeSent(primary)
        return at(20n)
      },
    }
    trail.writeSent(primary)
    trail.writeEnded()
    expect(await trail.settle()).toBe(SEEN_UNKNOWN)
    trail.writeNotSent()
    expect([trail.mustAsk, trail.settleNow()]).toEqual([true, SEEN_UNKNOWN])
  })

  test('a late answer does not take the place of what a COMMIT has brought along', async () => {
    const trail = new Trail()
    const primary = {
      async whereIsPrimary(): Promise<Position> {
        trail.writeSent(primary)
        trail.writeEnded()
        trail.committedAt(at(30n))
        return at(20n)
      },
    }
    trail.writeSent(primary)
    trail.writeEnded()
    expect(await trail.settle()).toEqual(seen(30n))
  })

  test('a write after it counts, and so does a tracked read at the primary', async () => {
    const primary = primaryAt(at(40n))
    const acts: ((trail: Trail) => void)[] = [
      (trail) => {
        trail.writeSent(primary)
        trail.writeEnded()
      },
      (trail) => void trail.readAtPrimary(primary),
      // Behind a write it may see more than what the primary said then.
      (trail) => trail.readAtReplica(seen(25n, 3)),
    ]
    for (const act of acts) {
      const trail = new Trail({ isTracked: true })
      trail.writeSent(primary)
      trail.writeEnded()
      trail.committedAt(at(20n))
      expect([trail.mustAsk, trail.settleNow()]).toEqual([false, seen(20n)])
      act(trail)
      expect([trail.mustAsk, trail.settleNow(), await trail.settle()]).toEqual([true, SEEN_UNKNOWN, seen(40n)])
    }
  })

  test('a write that is underway behind it makes it unknown', async () => {
    const primary = primaryAt(at(40n))
    const trail = new Trail()
    trail.writeSent(primary)
    trail.writeEnded()
    trail.committedAt(at(20n))
    trail.writeSent(primary)
    expect([trail.mustAsk, trail.settleNow(), await trail.settle()]).toEqual([false, SEEN_UNKNOWN, SEEN_UNKNOWN])
  })

  test('any two things that were done behind it count as two', () => {
    const primary = primaryAt(at(40n))
    const write = (trail: Trail): void => {
      trail.writeSent(primary)
      trail.writeEnded()
    }
    const readThere = (trail: Trail): void => void trail.readAtPrimary(primary)
    const readHere = (trail: Trail): void => trail.readAtReplica(seen(25n, 3))
    for (const [one, other] of [
      [write, readThere],
      [write, readHere],
      [readThere, readHere],
    ] as const) {
      const trail = new Trail({ isTracked: true })
      write(trail)
      trail.committedAt(at(20n))
      one(trail)
      other(trail)
      expect([trail.mustAsk, trail.settleNow()]).toEqual([true, SEEN_UNKNOWN])
    }
  })

  test('the primary is told whether a commit may have been answered before it was flushed', async () => {
    for (const isAsync of [false, true]) {
      const told: boolean[] = []
      const trail = new Trail()
      trail.isCommitAsync = isAsync
      trail.writeSent({
        async whereIsPrimary(isCommitAsync) {
          told.push(isCommitAsync)
          return at(20n)
        },
      })
      trail.writeEnded()
      await trail.settle()
      expect(told).toEqual([isAsync])
    }
    expect(new Trail().isCommitAsync).toBe(false)
  })
})

describe('R4: a write that was not sent', () => {
  test('leaves the others', () => {
    const primary = primaryAt(at(20n))
    const trail = new Trail()
    trail.writeSent(primary)
    trail.writeSent(primary)
    trail.writeNotSent()
    expect([trail.hasWritten, trail.settleNow()]).toEqual([true, SEEN_UNKNOWN])
    trail.writeNotSent()
    expect([trail.hasWritten, trail.mustAsk, trail.settleNow()]).toEqual([false, false, undefined])
  })

  test('leaves one that has ended', async () => {
    const trail = new Trail()
    trail.writeSent(primaryAt(at(20n)))
    trail.writeEnded()
    trail.writeSent(primaryAt(at(20n)))
    trail.writeNotSent()
    expect([trail.hasWritten, trail.hasSeenMore]).toEqual([true, true])
  })
})

describe('F5: what a scope has seen', () => {
  test('is the floor where reads do not count, whatever was read', () => {
    const trail = new Trail({ floor: seen(10n, 3), isTracked: false })
    trail.readAtReplica(seen(12n, 4))
    expect([trail.readAtPrimary(primaryAt(at(20n))), trail.seen]).toEqual([false, seen(10n, 3)])
  })

  test('reads count by default when the client has seen something', () => {
    const of = ({ isTracked, isVisiting, isWanted }: Trail) => [isTracked, isVisiting, isWanted]
    expect(of(new Trail())).toEqual([false, false, false])
    expect(of(new Trail({ floor: seen(1n) }))).toEqual([true, false, false])
    expect(of(new Trail({ isTracked: true, isVisiting: true, isWanted: true }))).toEqual([true, true, true])
  })

  test('is the replica that it read from; of two, neither; at the primary, only there', () => {
    const trail = new Trail({ isTracked: true })
    expect([trail.seen, trail.hasSeenMore]).toEqual([undefined, false])
    trail.readAtReplica(seen(12n, 3))
    expect(trail.seen).toEqual(seen(0n, 3))
    trail.readAtReplica(seen(15n, 3))
    expect(trail.seen).toEqual(seen(0n, 3))
    trail.readAtReplica(seen(11n, 4))
    expect(trail.seen).toEqual(seen(0n, SEVERAL_NODES))
    expect(trail.readAtPrimary(primaryAt(at(20n)))).toBe(true)
    expect(trail.seen).toBe(SEEN_UNKNOWN)
    trail.readNotSent()
    expect(trail.seen).toEqual(seen(0n, SEVERAL_NODES))
  })

  test('joins the floor with the replica: the same one stays, another makes it several', () => {
    const after = (floor: Seen, replica: Seen): Seen | undefined => {
      const trail = new Trail({ floor })
      trail.readAtReplica(replica)
      return trail.seen
    }
    const floor = seen(10n, 3)
    expect(after(floor, seen(12n, 3))).toBe(floor)
    expect(after(seen(10n), seen(12n, 3))).toEqual(seen(10n, 3))
    expect(after(floor, seen(12n, 4))).toEqual(seen(10n, SEVERAL_NODES))
    expect(after(floor, { ...seen(12n, 4), cluster: 8n })).toEqual({ ...seen(0n, 4), cluster: 8n })
  })

  test('a client that is visiting reads at the primary', () => {
    expect(new Trail({ floor: seen(10n), isVisiting: true }).seen).toBe(SEEN_UNKNOWN)
    expect(new Trail({ floor: seen(10n), isTracked: false, isVisiting: true }).seen).toEqual(seen(10n))
  })

  test('a read at the primary counts behind a write, tracked or not', async () => {
    const trail = new Trail()
    const primary = primaryAt(at(20n))
    expect(trail.readAtPrimary(primary)).toBe(false)
    trail.writeSent(primary)
    expect(trail.readAtPrimary(primary)).toBe(true)
  })

  test('a tracked read at the primary alone is asked for, too', async () => {
    const trail = new Trail({ isTracked: true })
    trail.readAtPrimary(primaryAt(at(20n)))
    expect([trail.mustAsk, trail.settleNow(), await trail.settle()]).toEqual([true, SEEN_UNKNOWN, seen(20n)])
  })
})

describe('F7: what the primary says against what was seen', () => {
  const settledWith = (floor: Seen | undefined, position: Position): Seen | undefined => {
    const trail = new Trail({ floor })
    trail.writeSent(primaryAt(position))
    trail.writeEnded()
    trail.committedAt(position)
    return trail.settleNow()
  }

  test('takes the place of an older state, and of the replica that was read from', () => {
    expect(settledWith(undefined, at(20n))).toEqual(seen(20n))
    expect(settledWith(seen(10n, 3), at(20n))).toEqual(seen(20n))
    expect(settledWith(seen(900n, 3), at(20n, 2))).toEqual({ ...at(20n, 2), node: 0 })
  })

  test('a primary of an older timeline is not believed: it was replaced', () => {
    const floor: Seen = { ...at(10n, 3), node: 5 }
    expect(settledWith(floor, at(900n, 2))).toEqual({ ...floor, node: 0 })
  })

  test('a primary never goes back on its timeline', () => {
    expect(settledWith(seen(30n, 3), at(20n))).toEqual(seen(30n))
  })

  test('another cluster is another database: what it says is all that counts', () => {
    const floor: Seen = { ...seen(900n, 3), timeline: 9, cluster: 8n }
    expect(settledWith(floor, at(20n))).toEqual(seen(20n))
  })
})
