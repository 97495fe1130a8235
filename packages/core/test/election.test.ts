import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Election, elect, hearOf, type LastReport, NO_LINEAGE, type ServerReport } from '../src/internal.ts'

const X = 7_000_000_000_000_000_001n
const Y = 7_000_000_000_000_000_002n

let runs = 0
const primary = (timeline: number, cluster = X): ServerReport => ({
  cluster,
  timeline,
  isStandby: false,
  isReadOnly: false,
  startedAt: String(++runs),
})
const standby = (timeline: number, cluster = X): ServerReport => ({ ...primary(timeline, cluster), isStandby: true })
const fencedByManager = (timeline: number): ServerReport => ({ ...primary(timeline), isReadOnly: true })

describe('the election', () => {
  it('X7: names the server that accepts writes', () => {
    expect(elect(NO_LINEAGE, [primary(1), standby(1)], 0)).toMatchObject({ primary: 0, roles: ['primary', 'replica'] })
    expect(elect(NO_LINEAGE, [standby(1), primary(1)], 0)).toMatchObject({ primary: 1, roles: ['replica', 'primary'] })
  })

  it('X7: elects without a first guess, too: the cluster is that of the servers that answer', () => {
    expect(elect(NO_LINEAGE, [], -1)).toMatchObject({ primary: undefined, roles: [] })
    expect(elect(NO_LINEAGE, [undefined, 'silent'], -1).primary).toBeUndefined()
    const first = elect(NO_LINEAGE, [standby(1), undefined], -1)
    expect(first).toMatchObject({ primary: undefined, lineage: { cluster: X, isSure: false } })
    expect(elect(first.lineage, [standby(1), primary(1)], -1)).toMatchObject({
      primary: 1,
      roles: ['replica', 'primary'],
    })
    expect(elect(first.lineage, [standby(1), primary(1, Y)], -1)).toMatchObject({ primary: undefined })
  })

  it('X7: names the servers between which somebody has to decide, also once that is decided', () => {
    const two = [standby(1), { ...primary(2), startedAt: 'one' }, { ...primary(2), startedAt: 'two' }]
    expect(elect(NO_LINEAGE, two, 0)).toMatchObject({ primary: undefined, contested: [1, 2] })
    expect(elect(NO_LINEAGE, two, 0, 2)).toMatchObject({
      primary: 2,
      contested: [1, 2],
      roles: ['replica', 'fenced', 'primary'],
    })
    expect(elect(NO_LINEAGE, two.slice(0, 2), 0).contested).toEqual([])
  })

  it('X7: fences an old primary that lives on, for good', () => {
    const before = elect(NO_LINEAGE, [primary(1), standby(1)], 0)
    const promoted = elect(before.lineage, [primary(1), primary(2)], 0)
    expect(promoted).toMatchObject({ primary: 1, roles: ['fenced', 'primary'] })
    const newOneIsGone = elect(promoted.lineage, [primary(1), 'silent'], 0)
    expect(newOneIsGone).toMatchObject({ primary: undefined, roles: ['fenced', 'unknown'] })
  })

  it('X7: fences it as soon as a standby follows a later timeline, or a token names one', () => {
    expect(elect(NO_LINEAGE, [primary(1), standby(2)], 0)).toMatchObject({
      primary: undefined,
      roles: ['fenced', 'replica'],
    })
    const { lineage } = elect(NO_LINEAGE, [primary(1)], 0)
    const heard = hearOf(lineage, { cluster: X, timeline: 2 })
    expect(elect(heard, [primary(1)], 0)).toMatchObject({ primary: undefined, roles: ['fenced'] })
  })

  it('X7: lets nobody write while two accept writes on one timeline, until one is gone', () => {
    const { lineage } = elect(NO_LINEAGE, [primary(1), standby(1), standby(1)], 0)
    const split = elect(lineage, ['silent', primary(2), primary(2)], 0)
    expect(split).toMatchObject({ primary: undefined, roles: ['unknown', 'conflict', 'conflict'] })
    expect(elect(split.lineage, ['silent', 'silent', primary(2)], 0).primary).toBe(2)
  })

  it('X7: two addresses of one server are one server, and the configured one is its name', () => {
    const [one, other] = [primary(1), primary(1)]
    expect(elect(NO_LINEAGE, [one, { ...one }, standby(1)], 0)).toMatchObject({
      primary: 0,
      roles: ['primary', 'replica', 'replica'],
    })
    expect(elect(NO_LINEAGE, [one, { ...one }, other], 0)).toMatchObject({
      primary: undefined,
      roles: ['conflict', 'conflict', 'conflict'],
    })
  })

  it('X7: an outside truth decides between two of one timeline, and cannot call back an older one', () => {
    const { lineage } = elect(NO_LINEAGE, [primary(1)], 0)
    expect(elect(lineage, ['silent', primary(2), primary(2)], 0, 2)).toMatchObject({
      primary: 2,
      roles: ['unknown', 'fenced', 'primary'],
    })
    expect(elect(lineage, [primary(1), primary(2)], 0, 0).primary).toBe(1)
    expect(elect(lineage, [standby(2), primary(2)], 0, 0).primary).toBe(1)
  })

  it('X7: a server that its manager made read-only takes no writes, and is no replica', () => {
    expect(elect(NO_LINEAGE, [fencedByManager(1), standby(1)], 0)).toMatchObject({
      primary: undefined,
      roles: ['read-only', 'replica'],
    })
  })

  it('X7: another cluster is another database, whatever its timeline', () => {
    const { lineage } = elect(NO_LINEAGE, [primary(1), standby(1)], 0)
    expect(elect(lineage, ['silent', standby(1), primary(9, Y)], 0)).toMatchObject({
      primary: undefined,
      roles: ['unknown', 'replica', 'foreign'],
    })
    // The same address leads to another database now.
    expect(elect(lineage, [primary(1, Y), standby(1)], 0)).toMatchObject({
      primary: undefined,
      roles: ['foreign', 'replica'],
    })
  })

  it('X7: elects nobody else before the configured primary was asked: it names the cluster', () => {
    expect(elect(NO_LINEAGE, [undefined, primary(9, Y)], 0)).toEqual({
      lineage: NO_LINEAGE,
      primary: undefined,
      contested: [],
      roles: ['unknown', 'unknown'],
    })
    const withoutIt = elect(NO_LINEAGE, ['silent', standby(2), primary(2), primary(9, Y)], 0)
    expect(withoutIt).toMatchObject({ primary: 2, roles: ['unknown', 'replica', 'primary', 'foreign'] })
    // It comes back, and belongs to the other one: that is the database of this app.
    expect(elect(withoutIt.lineage, [standby(9, Y), standby(2), primary(2), primary(9, Y)], 0)).toMatchObject({
      primary: 3,
      roles: ['replica', 'foreign', 'foreign', 'primary'],
    })
  })

  it('F7: news of another cluster is ignored once this one is known, and counts before', () => {
    const { lineage } = elect(NO_LINEAGE, [primary(3)], 0)
    expect(hearOf(lineage, { cluster: Y, timeline: 9 })).toBe(lineage)
    expect(hearOf(lineage, { cluster: X, timeline: 2 })).toBe(lineage)
    expect(hearOf(NO_LINEAGE, { cluster: Y, timeline: 9 })).toEqual({ cluster: Y, isSure: true, timeline: 9 })
  })
})

const anyReport: fc.Arbitrary<ServerReport> = fc.record({
  cluster: fc.constantFrom(X, X, X, Y),
  timeline: fc.integer({ min: 1, max: 3 }),
  isStandby: fc.boolean(),
  startedAt: fc.constantFrom('one', 'two', 'three', 'four'),
  isReadOnly: fc.oneof({ weight: 4, arbitrary: fc.constant(false) }, fc.constant(true)),
})
const anyKnown: fc.Arbitrary<LastReport> = fc.oneof(
  { weight: 5, arbitrary: anyReport },
  fc.constant('silent' as const),
  fc.constant(undefined),
)
const anyServers = fc.array(anyKnown, { minLength: 1, maxLength: 5 })
/** Some servers, and reports that come in one by one. */
const anyHistory = fc.integer({ min: 1, max: 4 }).chain((count) =>
  fc.record({
    count: fc.constant(count),
    steps: fc.array(fc.record({ server: fc.nat(count - 1), known: anyKnown }), { maxLength: 12 }),
  }),
)

/** All elections of one history; with -1 for `guess` nobody has named the cluster. */
function replay(
  { count, steps }: { count: number; steps: readonly { server: number; known: LastReport }[] },
  guess = 0,
): Election[] {
  const servers: LastReport[] = Array.from({ length: count }, () => undefined)
  let lineage = NO_LINEAGE
  return steps.map(({ server, known }) => {
    servers[server] = known
    const election = elect(lineage, servers, guess)
    lineage = election.lineage
    return election
  })
}

describe('all histories of reports', () => {
  it('X7: never go back to a lower timeline of one cluster', () => {
    fc.assert(
      fc.property(anyHistory, fc.constantFrom(0, -1), (history, guess) => {
        let before: Election | undefined
        for (const election of replay(history, guess)) {
          if (before !== undefined && before.lineage.cluster === election.lineage.cluster) {
            expect(election.lineage.timeline).toBeGreaterThanOrEqual(before.lineage.timeline)
          }
          if (before?.lineage.isSure) expect(election.lineage.cluster).toBe(before.lineage.cluster)
          before = election
        }
      }),
    )
  })

  it('X7: elect at most one, which accepts writes on the highest timeline seen, and no other writes beside it', () => {
    fc.assert(
      fc.property(anyServers, fc.constantFrom(0, -1), fc.option(fc.nat(4)), (servers, guess, truth) => {
        const { primary: winner, roles, lineage } = elect(NO_LINEAGE, servers, guess, truth ?? undefined)
        expect(roles.filter((role) => role === 'primary')).toHaveLength(winner === undefined ? 0 : 1)
        if (winner === undefined) return
        const server = servers[winner]
        expect(server).toEqual({
          cluster: lineage.cluster,
          timeline: lineage.timeline,
          isStandby: false,
          isReadOnly: false,
          startedAt: expect.any(String),
        })
        if (truth === winner) return
        const rivals = servers.flatMap((other) => {
          if (typeof other !== 'object' || other.cluster !== lineage.cluster) return []
          return other.isStandby || other.isReadOnly || other.timeline !== lineage.timeline ? [] : [other.startedAt]
        })
        // Several addresses may lead to it, and to no other.
        expect(new Set(rivals).size).toBe(1)
      }),
    )
  })

  it('X7: end the same whatever the order in which the answers came', () => {
    const answers = fc.array(anyReport, { minLength: 2, maxLength: 4 })
    fc.assert(
      fc.property(
        answers.chain((all) =>
          fc.tuple(fc.constant(all), fc.shuffledSubarray([...all.keys()], { minLength: all.length })),
        ),
        ([all, order]) => {
          const steps = (indexes: readonly number[]) => indexes.map((server) => ({ server, known: all[server] }))
          const [inOrder, shuffled] = [[...all.keys()], order].map((indexes) =>
            replay({ count: all.length, steps: steps(indexes) }).at(-1),
          )
          expect(shuffled).toEqual(inOrder)
        },
      ),
    )
  })

  it('X7: two pools never write to servers of two timelines once both have seen the later', () => {
    // Each pool hears the same servers at times of its own; a pool that has seen timeline t writes to none below t.
    fc.assert(
      fc.property(anyHistory, anyHistory, (one, other) => {
        const [left, right] = [replay(one).at(-1), replay(other).at(-1)]
        if (left === undefined || right === undefined) return
        const gossip = right.lineage.cluster
        if (gossip === undefined || gossip !== left.lineage.cluster) return
        const lineage = hearOf(left.lineage, { cluster: gossip, timeline: right.lineage.timeline })
        const servers: LastReport[] = Array.from({ length: one.count }, () => undefined)
        for (const { server, known } of one.steps) servers[server] = known
        const { primary: winner } = elect(lineage, servers, 0)
        if (winner === undefined) return
        const server = servers[winner]
        expect(typeof server === 'object' && server.timeline).toBeGreaterThanOrEqual(right.lineage.timeline)
      }),
    )
  })
})
