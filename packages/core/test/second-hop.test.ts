import { describe, expect, it } from 'vitest'
import { ReplayImpossible, ReplayToPrimary, Scope } from '../src/index.ts'
import { createTopology, mayReplayAgain, type ReplayStamp, routeToPrimary } from '../src/internal.ts'
import { situation } from './statements.ts'

const LATEST = 3
const REGIONS = [0, 1, 2] as const

/** Which region the primary of each timeline is in; timeline 0 stands for what each region was configured with. */
interface World {
  readonly homeOf: readonly number[]
  readonly configured: readonly number[]
  /** Whether a region hears of the timeline in a state that arrives (F7). */
  readonly hears: boolean
}

interface Outcome {
  readonly hops: number
  readonly path: readonly number[]
  readonly end: 'served' | 'refused' | 'round'
}

type Rule = (before: ReplayStamp, next: ReplayStamp) => boolean

/** More hops than this are a loop: the stamps of this world can only rise so often. */
const MOST_HOPS = 2 * (LATEST + 1)

/** All ways that one request can go, whatever each region learns, and whenever: a region knows more the next time it is met, or the same. */
function everyWay(world: World, rule: Rule, seen: (outcome: Outcome) => void): void {
  const go = (at: number, stamp: ReplayStamp | undefined, known: readonly number[], path: readonly number[]): void => {
    const hops = path.length
    if (hops > MOST_HOPS) return seen({ hops, path, end: 'round' })
    const least = Math.max(known[at] ?? 0, world.hears ? (stamp?.timeline ?? 0) : 0)
    for (let timeline = least; timeline <= LATEST; timeline += 1) {
      const home = timeline === 0 ? world.configured[at] : world.homeOf[timeline]
      if (home === undefined) throw new Error('a world without a home')
      const here = known.map((before, region) => (region === at ? timeline : before))
      const next = (isForRead: boolean): ReplayStamp => ({
        cluster: timeline === 0 ? undefined : '7',
        timeline,
        isForRead,
      })
      // A read may be sent to any region that has a replica, but only the first time.
      if (stamp === undefined) for (const to of REGIONS) if (to !== at) go(to, next(true), here, [...path, to])
      if (home === at) seen({ hops, path, end: 'served' })
      else if (stamp === undefined || rule(stamp, next(false))) go(home, next(false), here, [...path, home])
      else seen({ hops, path, end: 'refused' })
    }
  }
  for (const at of REGIONS) go(at, undefined, [0, 0, 0], [])
}

function* worlds(): Generator<World> {
  for (const hears of [true, false])
    for (const a of REGIONS)
      for (const b of REGIONS)
        for (const c of REGIONS)
          for (const x of REGIONS)
            for (const y of REGIONS)
              for (const z of REGIONS) yield { homeOf: [0, a, b, c], configured: [x, y, z], hears }
}

describe('P4: one more replay', () => {
  it('P4: in every small world, whatever the regions learn on the way, no request goes round', () => {
    let [ways, longest, refused] = [0, 0, 0]
    for (const world of worlds()) {
      everyWay(world, mayReplayAgain, ({ hops, end }) => {
        ways += 1
        longest = Math.max(longest, hops)
        if (end === 'round') throw new Error(`a request goes round in ${JSON.stringify(world)}`)
        if (end === 'refused') refused += 1
      })
    }
    // To the replica, and then with a later timeline each: none, 1, 2, 3.
    expect(longest).toBeLessThanOrEqual(LATEST + 2)
    expect([ways > 100_000, refused > 0]).toEqual([true, true])
  })

  it('P4: a weaker rule is seen to go round by the same search', () => {
    const weaker: Rule = (before, next) => next.timeline >= before.timeline
    const isRound = (): boolean => {
      let found = false
      const world: World = { homeOf: [0, 0, 0, 0], configured: [1, 0, 0], hears: false }
      everyWay(world, weaker, ({ end }) => {
        found ||= end === 'round'
      })
      return found
    }
    expect(isRound()).toBe(true)
  })

  it('P4: the rule rises strictly, and so never holds both ways', () => {
    const stamps = [0, 1, 2].flatMap((timeline) =>
      ['7', '8', undefined].flatMap((cluster) =>
        [true, false].map((isForRead): ReplayStamp => ({ cluster, timeline, isForRead })),
      ),
    )
    for (const one of stamps) {
      expect(mayReplayAgain(one, one)).toBe(false)
      for (const other of stamps) {
        expect(mayReplayAgain(one, other) && mayReplayAgain(other, one)).toBe(false)
        if (one.cluster === '7' && other.cluster === '8') expect(mayReplayAgain(one, other)).toBe(false)
      }
    }
  })
})

describe('P4: a scope whose request was replayed here', () => {
  const topologyOn = (timeline: number, primaryRegion = 'nrt') =>
    createTopology({ region: 'ams', primaryRegion, hasReplica: true, cluster: '7', timeline })
  const replayed = { cluster: '7', timeline: 1, isForRead: false }

  const scopeOn = (timeline: () => number): Scope =>
    new Scope({ kind: 'request', blocker: 'already-replayed', replayed, topology: () => topologyOn(timeline()) })

  it('P4: is replayed once more when a later timeline is heard of while it runs, and not before', () => {
    let timeline = 1
    const scope = scopeOn(() => timeline)
    expect(scope.blocker).toBe('already-replayed')
    expect(scope.askForReplay(topologyOn(timeline), 'write')).toBeInstanceOf(ReplayImpossible)
    timeline = 2
    expect(scope.blocker).toBeUndefined()
    const replay = scope.askForReplay(topologyOn(timeline), 'write')
    expect(replay).toBeInstanceOf(ReplayToPrimary)
    expect(replay).toMatchObject({ region: 'nrt', timeline: 2, cluster: '7' })
  })

  it('X4, X9: waits where nobody knows the primary now, since whoever sent it may know more', () => {
    const reasonAt = (isPrimarySought: boolean, isReplayVerified: boolean) => {
      const topology = { ...topologyOn(1), isPrimarySought }
      const scope = { kind: 'request', hasWritten: false, blocker: 'already-replayed', isReplayVerified } as const
      return routeToPrimary('write', situation({ topology, scope })).route
    }
    expect(reasonAt(true, true)).toBe('direct')
    expect(reasonAt(false, true)).toBe('impossible')
    // A client that makes a state up refuses its own writes with it, whatever is known here.
    expect(reasonAt(true, false)).toBe('impossible')
  })

  it('P4: is not replayed again once its response has started, or what must not happen twice was begun', () => {
    const started = scopeOn(() => 2)
    started.blockReplay('response-started')
    expect(started.blocker).toBe('already-replayed')
    let timeline = 1
    const busy = scopeOn(() => timeline)
    let begun = 0
    busy.whenKept(() => {
      begun += 1
    })
    timeline = 2
    expect([begun, busy.blocker]).toEqual([1, 'already-replayed'])
  })

  it('P4: what was sent to a replica to read goes on to the primary when it proves to write', () => {
    const scope = new Scope({
      kind: 'request',
      blocker: 'already-replayed',
      replayed: { ...replayed, isForRead: true },
      topology: () => topologyOn(1),
    })
    expect(scope.askForReplay(topologyOn(1), 'write')).toMatchObject({ region: 'nrt' })
  })

  it('X10: a replay for a read goes where the replica is, also from home', () => {
    const home = createTopology({
      region: 'ams',
      primaryRegion: 'ams',
      hasReplica: false,
      elsewhere: { inRequest: 'replay', outside: 'network', region: 'fra' },
      standIns: ['lhr'],
    })
    const scope = new Scope({ kind: 'request', topology: () => home })
    expect(scope.askForReplay(home, 'far-replica')).toMatchObject({
      region: 'fra',
      standIns: [],
      reason: 'far-replica',
    })
    expect(scope.hasNeededPrimary).toBe(false)
  })
})
