import { afterEach, describe, expect, test, vi } from 'vitest'
import { currentScope, ensurePrimary, getToken, runInScope, runWithToken, Scope, see } from '../src/index.ts'
import {
  ClientSession,
  createTopology,
  type Position,
  type ReadPosition,
  SEVERAL_NODES,
  signToken,
  toLsn,
  UNKNOWN_POSITION,
  verifyToken,
} from '../src/internal.ts'

const SECRET = 'a secret of tests'
const seen = (lsn: bigint, node = 0): ReadPosition => ({ cluster: 7n, timeline: 1, lsn: toLsn(lsn), node })
const tokenOf = (position: ReadPosition, secret = SECRET, issuedAt = Date.now()): string =>
  signToken({ ...position, issuedAt, expires: issuedAt + 60_000 }, [secret])
const primaryAt = (...positions: readonly Position[]) => {
  const left = [...positions]
  return { whereIsPrimary: async () => left.shift() ?? seen(0n) }
}

afterEach(() => {
  vi.unstubAllEnvs()
})

describe('F8: see', () => {
  const inScope = <Result>(fn: (session: ClientSession) => Result): Result => {
    const scope = new Scope({ kind: 'request', session: { isTracked: false, isWanted: true } })
    return runInScope(scope, () => fn(scope.session))
  }

  test('raises what the scope must see, and says whether the token counted', () => {
    inScope((session) => {
      expect(see(tokenOf(seen(9n)), { secret: SECRET })).toBe(true)
      expect([session.seen, session.isTracked, session.hasSeenMore]).toMatchObject([seen(9n), true, true])
      // An older one takes nothing back.
      expect(see(tokenOf(seen(5n)), { secret: SECRET })).toBe(true)
      expect(session.positionNow()).toMatchObject(seen(9n))
      expect(see([tokenOf(seen(11n)), tokenOf(seen(4n, 3))].join(', '), { secret: [SECRET] })).toBe(true)
      expect(session.seen).toMatchObject(seen(11n, 3))
    })
  })

  test.each([
    ['missing', () => undefined],
    ['empty', () => ''],
    ['no token', () => 'nonsense'],
    ['forged', () => tokenOf(seen(9n), 'another secret, as long')],
    ['expired', () => tokenOf(seen(9n), SECRET, Date.now() - 60_000)],
    ['from the future', () => tokenOf(seen(9n), SECRET, Date.now() + 120_000)],
  ])('F3: ignores a token that is %s', (_, text) => {
    inScope((session) => {
      expect(see(text(), { secret: SECRET })).toBe(false)
      expect([session.seen, session.isTracked, session.hasSeenMore]).toEqual([undefined, false, false])
    })
  })

  test('does nothing outside a scope; takes HEADWATER_SECRET, and needs a secret', () => {
    expect(see(tokenOf(seen(9n)), { secret: SECRET })).toBe(false)
    vi.stubEnv('HEADWATER_SECRET', SECRET)
    expect(inScope(() => see(tokenOf(seen(9n))))).toBe(true)
    vi.stubEnv('HEADWATER_SECRET', '')
    expect(() => inScope(() => see(tokenOf(seen(9n))))).toThrow('option secret: is missing')
  })

  test('counts in a job too, whose own token then covers it', async () => {
    const text = await runWithToken(
      tokenOf(seen(5n)),
      async () => {
        see(tokenOf(seen(9n)), { secret: SECRET })
        expect(currentScope()?.session.seen).toMatchObject(seen(9n))
        return await getToken({ secret: SECRET })
      },
      { secret: SECRET },
    )
    expect(verifyToken(text, [SECRET], Date.now())).toMatchObject(seen(9n))
  })
})

describe('F8: a token that comes into a session', () => {
  test('after a read on a replica: that replica must have it as well', () => {
    const session = new ClientSession({ minPosition: seen(5n) })
    session.readAtReplica(seen(6n, 3))
    session.see(seen(9n))
    expect([session.seen, session.positionNow()]).toEqual([seen(9n, 3), seen(9n, 3)])
    session.see(seen(2n, 4))
    expect(session.seen).toEqual(seen(9n, SEVERAL_NODES))
  })

  test('after a write whose position is known: the primary is asked again, since it may be later', async () => {
    const session = new ClientSession({ isWanted: true })
    session.writeSent(primaryAt(seen(30n)))
    session.writeEnded()
    session.committedAt(seen(20n))
    expect([session.mustAskPrimary, session.positionNow()]).toEqual([false, seen(20n)])
    session.see(seen(25n))
    expect([session.mustAskPrimary, session.positionNow()]).toEqual([true, UNKNOWN_POSITION])
    expect(await session.capturePosition()).toEqual(seen(30n))
  })

  test('while the primary is asked: its answer may be older, and is not kept', async () => {
    const session = new ClientSession({ isWanted: true })
    session.writeSent({
      whereIsPrimary: async () => {
        session.see(seen(25n))
        return seen(20n)
      },
    })
    session.writeEnded()
    expect(await session.capturePosition()).toBe(UNKNOWN_POSITION)
  })

  test('of another database: only the primary is sure, also when a replica was read from before', () => {
    const foreign = { ...seen(9n), cluster: 8n }
    const fresh = new ClientSession({ minPosition: seen(5n) })
    fresh.see(foreign)
    expect([fresh.seen, fresh.positionNow()]).toEqual([UNKNOWN_POSITION, UNKNOWN_POSITION])
    const session = new ClientSession({ isTracked: true })
    session.readAtReplica(seen(6n, 3))
    session.see(foreign)
    expect([session.seen, session.positionNow()]).toEqual([UNKNOWN_POSITION, UNKNOWN_POSITION])
  })

  test('where reads are not tracked, by choice of the app: it is the floor, and leaves no mark', () => {
    const session = new ClientSession({ isTracked: true, isForWritesOnly: true, isWanted: true })
    expect(session.isTracked).toBe(false)
    session.see(seen(9n))
    session.readAtReplica(seen(9n, 3))
    expect(session.readAtPrimary(primaryAt(), true)).toBe(false)
    expect([session.seen, session.positionNow()]).toEqual([seen(9n), seen(9n)])
  })

  test('by a carrier: it is not news to the client; one that could not say sends reads to the primary, and leaves nothing', () => {
    const session = new ClientSession({ isTracked: false })
    session.arriveWith(seen(9n))
    expect([session.seen, session.hasSeenMore, session.wasShownMore]).toEqual([seen(9n), false, false])
    session.arriveUnsure()
    expect([session.seen, session.positionNow()]).toEqual([UNKNOWN_POSITION, seen(9n)])
    const off = new ClientSession({ isForWritesOnly: true })
    off.arriveUnsure()
    expect([off.seen, off.positionNow()]).toEqual([UNKNOWN_POSITION, undefined])
  })
})

describe('F9: a read that the app asked the primary for', () => {
  test('begins the session of a client that is answered with a token', async () => {
    const session = new ClientSession({ isTracked: false, isWanted: true })
    const primary = primaryAt(seen(20n))
    expect(session.readAtPrimary(primary)).toBe(false)
    expect(session.positionNow()).toBeUndefined()
    expect(session.readAtPrimary(primary, true)).toBe(true)
    expect([session.isTracked, session.seen, session.mustAskPrimary]).toEqual([true, UNKNOWN_POSITION, true])
    expect(await session.capturePosition()).toEqual(seen(20n))
  })

  test('begins none in a job, which answers nobody', () => {
    const session = new ClientSession({ isTracked: false })
    expect([session.readAtPrimary(primaryAt(), true), session.seen]).toEqual([false, undefined])
  })

  test('ensurePrimary() at home begins one, and reads on the replica next door leave its mark', () => {
    const topology = (): ReturnType<typeof createTopology> =>
      createTopology({ region: 'ams', primaryRegion: 'ams', hasReplica: true })
    const scopeOf = (isWanted: boolean) =>
      new Scope({ kind: 'request', topology, session: { isTracked: false, isWanted } })
    const [scope, untold] = [scopeOf(true), scopeOf(false)]
    for (const one of [scope, untold]) {
      const { session } = runInScope(one, () => {
        ensurePrimary()
        return one
      })
      session.readAtReplica(seen(6n, 3))
    }
    expect([scope.session.positionNow(), untold.session.positionNow()]).toEqual([seen(0n, 3), undefined])
  })
})
