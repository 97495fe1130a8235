import {
  ClientSession,
  type Position,
  type ReadPosition,
  SEVERAL_NODES,
  toLsn,
  UNKNOWN_POSITION,
} from '@headwater/core/internal'
import { describe, expect, test } from 'vitest'

const at = (lsn: bigint, timeline = 1): Position => ({ cluster: 7n, timeline, lsn: toLsn(lsn) })
const seen = (lsn: bigint, node = 0): ReadPosition => ({ ...at(lsn), node })

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

test.each([
  ['nothing was seen', undefined, () => {}, false],
  ['a position was brought', seen(10n), () => {}, false],
  ['the mark of a replica was brought', seen(10n, 3), () => {}, true],
  ['a replica was read', undefined, (session) => session.readAtReplica(seen(12n, 3)), true],
  ['the primary shows it', seen(10n, 3), (session) => session.shownAtPrimary(), false],
  [
    'a replica was read again',
    seen(10n, 3),
    (session) => {
      session.shownAtPrimary()
      session.readAtReplica(seen(12n, 3))
    },
    true,
  ],
] as const satisfies readonly (readonly [
  string,
  ReadPosition | undefined,
  (session: ClientSession) => void,
  boolean,
])[])('F5: whether a replica may have shown more than the primary: %s', (_title, minPosition, act, isAhead) => {
  const session = new ClientSession({ minPosition, isTracked: true })
  act(session)
  expect(session.mayBeAhead).toBe(isAhead)
})

test('F5: whether a scope itself has seen something that counts', () => {
  const primary = primaryAt(at(20n))
  const of = (act: (session: ClientSession) => void, isTracked = true): boolean => {
    const session = new ClientSession({ minPosition: seen(10n, 3), isTracked })
    act(session)
    return session.hasSeenMore
  }
  expect(of(() => {})).toBe(false)
  expect(of((session) => session.readAtReplica(seen(12n, 3)))).toBe(true)
  expect(of((session) => session.readAtReplica(seen(12n, 3)), false)).toBe(false)
  expect(of((session) => session.readAtPrimary(primary))).toBe(true)
  expect(of((session) => session.readAtPrimary(primary), false)).toBe(false)
  expect(of((session) => session.writeSent(primary))).toBe(true)
})

describe('what can be settled without asking', () => {
  test('F2: a scope that did nothing captures its minimum position, without a round trip', async () => {
    for (const minPosition of [undefined, seen(10n)]) {
      const session = new ClientSession({ minPosition })
      expect([session.mustAskPrimary, session.positionNow(), await session.capturePosition()]).toEqual([
        false,
        minPosition,
        minPosition,
      ])
    }
  })

  test('F5: a tracked read from a replica leaves its mark, without a round trip', async () => {
    const session = new ClientSession({ minPosition: seen(10n) })
    session.readAtReplica(seen(12n, 3))
    expect([session.mustAskPrimary, session.positionNow()]).toEqual([false, seen(10n, 3)])
    expect(await session.capturePosition()).toEqual(session.positionNow())
  })

  test('F2: a write whose COMMIT returned the position needs no round trip', async () => {
    const primary = primaryAt(at(99n))
    const session = new ClientSession({ isWanted: true })
    session.writeSent(primary)
    session.writeEnded()
    session.committedAt(at(20n))
    expect([session.mustAskPrimary, session.positionNow()]).toEqual([false, seen(20n)])
    expect(await session.capturePosition()).toEqual(seen(20n))
    expect(primary.asked).toBe(0)
  })

  test('F2: after any other write the position is unknown until the primary is asked, once', async () => {
    const primary = primaryAt(at(20n), at(99n))
    const session = new ClientSession()
    session.writeSent(primary)
    session.writeEnded()
    expect([session.mustAskPrimary, session.positionNow()]).toEqual([true, UNKNOWN_POSITION])
    expect(await session.capturePosition()).toEqual(seen(20n))
    expect([session.mustAskPrimary, session.positionNow(), await session.capturePosition()]).toEqual([
      false,
      seen(20n),
      seen(20n),
    ])
    expect(primary.asked).toBe(1)
  })

  test('F2: with a write under way the position is unknown, and the primary is not asked', async () => {
    const primary = primaryAt(at(20n))
    const session = new ClientSession()
    session.writeSent(primary)
    expect([session.mustAskPrimary, session.positionNow(), await session.capturePosition()]).toEqual([
      false,
      UNKNOWN_POSITION,
      UNKNOWN_POSITION,
    ])
    expect(primary.asked).toBe(0)
  })

  test('F2: when the primary does not answer, the position stays unknown, and the primary may be asked again', async () => {
    const session = new ClientSession()
    session.writeSent(primaryAt(new Error('gone'), at(20n)))
    session.writeEnded()
    expect(await session.capturePosition()).toBe(UNKNOWN_POSITION)
    expect(session.mustAskPrimary).toBe(true)
    expect(await session.capturePosition()).toEqual(seen(20n))
  })

  test('F2: a write sent while the primary is asked may be later than its answer', async () => {
    const session = new ClientSession()
    const primary = {
      async whereIsPrimary(): Promise<Position> {
        session.writeSent(primary)
        session.writeEnded()
        return at(20n)
      },
    }
    session.writeSent(primary)
    session.writeEnded()
    expect(await session.capturePosition()).toBe(UNKNOWN_POSITION)
  })

  test('F2: two databases have no common position, also when one has said its own', async () => {
    const one = primaryAt(at(20n))
    const session = new ClientSession()
    for (const source of [one, primaryAt(at(30n))]) {
      session.writeSent(source)
      session.writeEnded()
    }
    session.committedAt(at(30n))
    expect([session.mustAskPrimary, session.positionNow(), await session.capturePosition()]).toEqual([
      false,
      UNKNOWN_POSITION,
      UNKNOWN_POSITION,
    ])
    expect(one.asked).toBe(0)
  })

  test('F2: a write without a source for its position is unknown', async () => {
    const session = new ClientSession()
    session.hasWritten = true
    expect([session.mustAskPrimary, await session.capturePosition()]).toEqual([false, UNKNOWN_POSITION])
  })
})

describe('F2: a position counts only when it is later than all that the scope did', () => {
  test('a position that came while another write was under way is not kept', async () => {
    const primary = primaryAt(at(30n))
    const session = new ClientSession()
    session.writeSent(primary)
    session.writeSent(primary)
    session.writeEnded()
    session.committedAt(at(20n))
    expect([session.mustAskPrimary, session.positionNow()]).toEqual([false, UNKNOWN_POSITION])
    session.writeNotSent()
    expect([session.mustAskPrimary, session.positionNow(), await session.capturePosition()]).toEqual([
      true,
      UNKNOWN_POSITION,
      seen(30n),
    ])
  })

  test("the primary's answer is not kept when a write was sent meanwhile", async () => {
    const session = new ClientSession()
    const primary = {
      async whereIsPrimary(): Promise<Position> {
        session.writeSent(primary)
        return at(20n)
      },
    }
    session.writeSent(primary)
    session.writeEnded()
    expect(await session.capturePosition()).toBe(UNKNOWN_POSITION)
    session.writeNotSent()
    expect([session.mustAskPrimary, session.positionNow()]).toEqual([true, UNKNOWN_POSITION])
  })

  test('a late answer does not replace the position that a COMMIT returned', async () => {
    const session = new ClientSession()
    const primary = {
      async whereIsPrimary(): Promise<Position> {
        session.writeSent(primary)
        session.writeEnded()
        session.committedAt(at(30n))
        return at(20n)
      },
    }
    session.writeSent(primary)
    session.writeEnded()
    expect(await session.capturePosition()).toEqual(seen(30n))
  })

  test('a later write invalidates it, and so does a tracked read at the primary', async () => {
    const primary = primaryAt(at(40n))
    const acts: ((session: ClientSession) => void)[] = [
      (session) => {
        session.writeSent(primary)
        session.writeEnded()
      },
      (session) => void session.readAtPrimary(primary),
      // Behind a write it may see more than what the primary said then.
      (session) => session.readAtReplica(seen(25n, 3)),
    ]
    for (const act of acts) {
      const session = new ClientSession({ isTracked: true })
      session.writeSent(primary)
      session.writeEnded()
      session.committedAt(at(20n))
      expect([session.mustAskPrimary, session.positionNow()]).toEqual([false, seen(20n)])
      act(session)
      expect([session.mustAskPrimary, session.positionNow(), await session.capturePosition()]).toEqual([
        true,
        UNKNOWN_POSITION,
        seen(40n),
      ])
    }
  })

  test('a later write that is under way makes it unknown', async () => {
    const primary = primaryAt(at(40n))
    const session = new ClientSession()
    session.writeSent(primary)
    session.writeEnded()
    session.committedAt(at(20n))
    session.writeSent(primary)
    expect([session.mustAskPrimary, session.positionNow(), await session.capturePosition()]).toEqual([
      false,
      UNKNOWN_POSITION,
      UNKNOWN_POSITION,
    ])
  })

  test('two later statements count as two', () => {
    const primary = primaryAt(at(40n))
    const write = (session: ClientSession): void => {
      session.writeSent(primary)
      session.writeEnded()
    }
    const readThere = (session: ClientSession): void => void session.readAtPrimary(primary)
    const readHere = (session: ClientSession): void => session.readAtReplica(seen(25n, 3))
    for (const [one, other] of [
      [write, readThere],
      [write, readHere],
      [readThere, readHere],
    ] as const) {
      const session = new ClientSession({ isTracked: true })
      write(session)
      session.committedAt(at(20n))
      one(session)
      other(session)
      expect([session.mustAskPrimary, session.positionNow()]).toEqual([true, UNKNOWN_POSITION])
    }
  })

  test('the source is told whether a commit may have been answered before it was flushed', async () => {
    for (const isAsync of [false, true]) {
      const told: boolean[] = []
      const session = new ClientSession()
      session.isCommitAsync = isAsync
      session.writeSent({
        async whereIsPrimary(isCommitAsync) {
          told.push(isCommitAsync)
          return at(20n)
        },
      })
      session.writeEnded()
      await session.capturePosition()
      expect(told).toEqual([isAsync])
    }
    expect(new ClientSession().isCommitAsync).toBe(false)
  })
})

describe('R4: taking back a write that was not sent', () => {
  test('keeps the other writes', () => {
    const primary = primaryAt(at(20n))
    const session = new ClientSession()
    session.writeSent(primary)
    session.writeSent(primary)
    session.writeNotSent()
    expect([session.hasWritten, session.positionNow()]).toEqual([true, UNKNOWN_POSITION])
    session.writeNotSent()
    expect([session.hasWritten, session.mustAskPrimary, session.positionNow()]).toEqual([false, false, undefined])
  })

  test('keeps a write that has ended', async () => {
    const session = new ClientSession()
    session.writeSent(primaryAt(at(20n)))
    session.writeEnded()
    session.writeSent(primaryAt(at(20n)))
    session.writeNotSent()
    expect([session.hasWritten, session.hasSeenMore]).toEqual([true, true])
  })
})

describe('F5: what the next read of a scope must not be older than', () => {
  test('is the minimum position when reads are not tracked, whatever was read', () => {
    const session = new ClientSession({ minPosition: seen(10n, 3), isTracked: false })
    session.readAtReplica(seen(12n, 4))
    expect([session.readAtPrimary(primaryAt(at(20n))), session.seen]).toEqual([false, seen(10n, 3)])
  })

  test('reads are tracked by default when the client has brought a position', () => {
    const of = ({ isTracked, isVisiting, isWanted }: ClientSession) => [isTracked, isVisiting, isWanted]
    expect(of(new ClientSession())).toEqual([false, false, false])
    expect(of(new ClientSession({ minPosition: seen(1n) }))).toEqual([true, false, false])
    expect(of(new ClientSession({ isTracked: true, isVisiting: true, isWanted: true }))).toEqual([true, true, true])
  })

  test('is the mark of the replica that it read from; after two replicas or the primary, only the primary will do', () => {
    const session = new ClientSession({ isTracked: true })
    expect([session.seen, session.hasSeenMore]).toEqual([undefined, false])
    session.readAtReplica(seen(12n, 3))
    expect(session.seen).toEqual(seen(0n, 3))
    session.readAtReplica(seen(15n, 3))
    expect(session.seen).toEqual(seen(0n, 3))
    session.readAtReplica(seen(11n, 4))
    expect(session.seen).toEqual(seen(0n, SEVERAL_NODES))
    expect(session.readAtPrimary(primaryAt(at(20n)))).toBe(true)
    expect(session.seen).toBe(UNKNOWN_POSITION)
    session.readNotSent()
    expect(session.seen).toEqual(seen(0n, SEVERAL_NODES))
  })

  test('joins the minimum position with the replica: the same mark stays, another one makes it several', () => {
    const after = (minPosition: ReadPosition, replica: ReadPosition): ReadPosition | undefined => {
      const session = new ClientSession({ minPosition })
      session.readAtReplica(replica)
      return session.seen
    }
    const minPosition = seen(10n, 3)
    expect(after(minPosition, seen(12n, 3))).toBe(minPosition)
    expect(after(seen(10n), seen(12n, 3))).toEqual(seen(10n, 3))
    expect(after(minPosition, seen(12n, 4))).toEqual(seen(10n, SEVERAL_NODES))
    expect(after(minPosition, { ...seen(12n, 4), cluster: 8n })).toEqual({ ...seen(0n, 4), cluster: 8n })
  })

  test('a client whose request was replayed here reads at the primary', () => {
    expect(new ClientSession({ minPosition: seen(10n), isVisiting: true }).seen).toBe(UNKNOWN_POSITION)
    expect(new ClientSession({ minPosition: seen(10n), isTracked: false, isVisiting: true }).seen).toEqual(seen(10n))
  })

  test('a read at the primary counts after a write, tracked or not', async () => {
    const session = new ClientSession()
    const primary = primaryAt(at(20n))
    expect(session.readAtPrimary(primary)).toBe(false)
    session.writeSent(primary)
    expect(session.readAtPrimary(primary)).toBe(true)
  })

  test('a tracked read at the primary alone is enough to ask the primary', async () => {
    const session = new ClientSession({ isTracked: true })
    session.readAtPrimary(primaryAt(at(20n)))
    expect([session.mustAskPrimary, session.positionNow(), await session.capturePosition()]).toEqual([
      true,
      UNKNOWN_POSITION,
      seen(20n),
    ])
  })
})

describe("F7: the primary's position against what was seen", () => {
  const settledWith = (minPosition: ReadPosition | undefined, position: Position): ReadPosition | undefined => {
    const session = new ClientSession({ minPosition })
    session.writeSent(primaryAt(position))
    session.writeEnded()
    session.committedAt(position)
    return session.positionNow()
  }

  test('replaces an older state, and the mark of the replica that was read from', () => {
    expect(settledWith(undefined, at(20n))).toEqual(seen(20n))
    expect(settledWith(seen(10n, 3), at(20n))).toEqual(seen(20n))
    expect(settledWith(seen(900n, 3), at(20n, 2))).toEqual({ ...at(20n, 2), node: 0 })
  })

  test('a primary of an older timeline is ignored: it was replaced', () => {
    const minPosition: ReadPosition = { ...at(10n, 3), node: 5 }
    expect(settledWith(minPosition, at(900n, 2))).toEqual({ ...minPosition, node: 0 })
  })

  test('a primary never goes back on its timeline', () => {
    expect(settledWith(seen(30n, 3), at(20n))).toEqual(seen(30n))
  })

  test('another cluster is another database: only its own position counts', () => {
    const minPosition: ReadPosition = { ...seen(900n, 3), timeline: 9, cluster: 8n }
    expect(settledWith(minPosition, at(20n))).toEqual(seen(20n))
  })
})

describe('what is on its way', () => {
  test('P11: until its last answer has come, and whoever waits is told once', () => {
    const session = new ClientSession()
    const told: string[] = []
    session.answerAwaited()
    session.answerAwaited()
    session.whenAnswered(() => told.push('first'))
    session.whenAnswered(() => told.push('second'))
    session.answered()
    expect([session.isAnswerAwaited, told]).toEqual([true, []])
    session.answered()
    expect([session.isAnswerAwaited, told]).toEqual([false, ['first', 'second']])
    session.answerAwaited()
    session.answered()
    expect(told).toEqual(['first', 'second'])
  })
})
