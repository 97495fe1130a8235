import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Choosable, chooseReplica, type ReplicaChoice, whenAllLate } from '../src/internal.ts'

const choice = fc.constantFrom<ReplicaChoice>('round-robin', 'least-busy', 'latency')
const replica: fc.Arbitrary<Choosable> = fc.record({
  weight: fc.integer({ min: 1, max: 100 }),
  busy: fc.nat(20),
  millis: fc.option(fc.double({ min: 0, max: 300, noNaN: true }), { nil: undefined }),
})
const one = (changes: Partial<Choosable>): Choosable => ({ weight: 1, busy: 0, millis: undefined, ...changes })

/** How often each was chosen over many turns. */
function counts(how: ReplicaChoice, replicas: readonly Choosable[], turns = 1000): number[] {
  const all = replicas.map(() => 0)
  for (let turn = 0; turn < turns; turn += 1) {
    const place = chooseReplica(how, replicas, turn)
    all[place] = (all[place] ?? 0) + 1
  }
  return all
}

describe('the choice among several replicas', () => {
  it('is one of them, the same for the same turn, and none when there is none', () => {
    fc.assert(
      fc.property(choice, fc.array(replica), fc.nat(), (how, replicas, turn) => {
        const place = chooseReplica(how, replicas, turn)
        expect(chooseReplica(how, replicas, turn)).toBe(place)
        if (replicas.length === 0) return void expect(place).toBe(-1)
        expect(replicas[place]).toBeDefined()
      }),
    )
  })

  it('round-robin: each gets its turn, as often as its weight says', () => {
    expect(counts('round-robin', [one({}), one({}), one({})], 9)).toEqual([3, 3, 3])
    const [light = 0, heavy = 0] = counts('round-robin', [one({ weight: 1 }), one({ weight: 4 })])
    expect(light + heavy).toBe(1000)
    expect(Math.abs(heavy - 800)).toBeLessThan(10)
  })

  it('round-robin: any weights are kept within a hundredth of all turns', () => {
    const weights = fc.array(fc.integer({ min: 1, max: 10 }), { minLength: 2, maxLength: 5 })
    fc.assert(
      fc.property(weights, (all) => {
        const total = all.reduce((sum, weight) => sum + weight, 0)
        const seen = counts(
          'round-robin',
          all.map((weight) => one({ weight })),
          2000,
        )
        for (const [index, weight] of all.entries()) {
          expect(Math.abs((seen[index] ?? 0) / 2000 - weight / total)).toBeLessThan(0.01)
        }
      }),
      { numRuns: 50 },
    )
  })

  it('least-busy: never one that has more to do for its weight than another', () => {
    fc.assert(
      fc.property(fc.array(replica, { minLength: 1 }), fc.nat(), (replicas, turn) => {
        const loads = replicas.map(({ busy, weight }) => (busy + 1) / weight)
        expect(loads[chooseReplica('least-busy', replicas, turn)]).toBe(Math.min(...loads))
      }),
    )
    expect(counts('least-busy', [one({ busy: 2 }), one({}), one({})], 10)).toEqual([0, 5, 5])
  })

  it('latency: one that answers about as soon as the soonest; unmeasured ones wait for their measure', () => {
    expect(counts('latency', [one({ millis: 40 }), one({ millis: 1 }), one({ millis: 1.4 }), one({})], 10)).toEqual([
      0, 5, 5, 0,
    ])
    expect(counts('latency', [one({}), one({})], 10)).toEqual([5, 5])
  })
})

describe('F6: while all replicas lag too far', () => {
  const late = { number: 1, isReplayed: false, hasPlace: true, share: 0.5 }

  it('F6: `wait` is never late, `stale` always, and `share` when the primary has no place', () => {
    expect(whenAllLate('wait', { ...late, hasPlace: false })).toBe('primary')
    expect(whenAllLate('stale', late)).toBe('late')
    expect(whenAllLate('share', late)).toBe('primary')
    expect(whenAllLate('share', { ...late, hasPlace: false })).toBe('late')
  })

  it('F6: `share` has that share of the requests replayed, and one scope goes one way', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.05, max: 1, noNaN: true }), (share) => {
        const ways = Array.from({ length: 2000 }, (_, number) =>
          whenAllLate('share', { ...late, number, isReplayed: true, share }),
        )
        expect(Math.abs(ways.filter((way) => way === 'primary').length / 2000 - share)).toBeLessThan(0.01)
        const again = { ...late, number: 7, isReplayed: true, share, hasPlace: false }
        expect(whenAllLate('share', again)).toBe(ways[7])
      }),
      { numRuns: 50 },
    )
  })
})
