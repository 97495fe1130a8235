import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { routeDistance } from '../src/distance/latency.ts'
import { firstTarget } from '../src/routing/steering.ts'
import { type Candidate, orderCandidates, type Target } from '../src/routing/target.ts'

const machine = (id: string, region: string, more: Partial<Candidate> = {}): Candidate => ({
  ...{ id, region, isStopped: false, isOverSoftLimit: false, activeRequests: 0, lastUse: 0 },
  ...more,
})
const all = [
  machine('n1', 'nrt'),
  machine('a1', 'ams'),
  machine('a2', 'ams'),
  machine('o1', 'ord'),
  machine('s1', 'sin'),
]
const ids = (
  target: Partial<Target>,
  machines = all,
  from = 'nrt',
  stopped: 'last' | 'by-distance' = 'last',
): string[] =>
  orderCandidates({ app: 'app', ...target }, machines, (to) => routeDistance(from, to), stopped).map(({ id }) => id)

describe('1.10.7: candidates = app, instance, regions in order, minus self if elsewhere', () => {
  it('without a region: nearest first', () => {
    expect(ids({})).toEqual(['n1', 's1', 'o1', 'a1', 'a2'])
    expect(ids({}, all, 'ams')).toEqual(['a1', 'a2', 'o1', 's1', 'n1'])
  })

  it('1.1: codes, lists and aliases are in order of preference, and nothing outside them', () => {
    expect(ids({ regions: ['ams', 'apac'] })).toEqual(['a1', 'a2', 'n1', 's1'])
  })

  it('1.1: "any" at the end allows every other region', () => {
    expect(ids({ regions: ['ord', 'any'] })).toEqual(['o1', 'n1', 's1', 'a1', 'a2'])
  })

  it('1.1: instance is hard, also against the region', () => {
    expect(ids({ instance: 'a1' })).toEqual(['a1'])
    expect(ids({ instance: 'a1', regions: ['ord'] })).toEqual([])
    expect(ids({ instance: 'gone' })).toEqual([])
  })

  it('1.1: prefer_instance is soft', () => {
    expect(ids({ preferInstance: 'a2' })).toEqual(['a2', 'n1', 's1', 'o1', 'a1'])
    expect(ids({ preferInstance: 'gone', regions: ['ord'] })).toEqual(['o1'])
  })

  it('1.1: elsewhere excludes the answering machine', () => {
    expect(ids({ regions: ['ams'], exceptInstance: 'a1' })).toEqual(['a2'])
    expect(ids({ instance: 'a1', exceptInstance: 'a1' })).toEqual([])
  })

  it('among equals the less busy machine goes first, then the least recently used', () => {
    const two = [
      machine('x', 'ams', { activeRequests: 1 }),
      machine('y', 'ams', { lastUse: 9 }),
      machine('z', 'ams', { lastUse: 3 }),
    ]
    expect(ids({}, two)).toEqual(['z', 'y', 'x'])
  })

  it('a stopped machine comes last, or by distance, as the option says', () => {
    const two = [machine('n1', 'nrt', { isStopped: true }), machine('a1', 'ams')]
    expect(ids({}, two)).toEqual(['a1', 'n1'])
    expect(ids({}, two, 'nrt', 'by-distance')).toEqual(['n1', 'a1'])
  })

  it('fly E7: soft limits act inside a region only: its other machines go first, and nobody is sent abroad', () => {
    const busy = machine('n1', 'nrt', { isOverSoftLimit: true, activeRequests: 1 })
    const three = [busy, machine('n2', 'nrt', { activeRequests: 5 }), machine('a1', 'ams')]
    expect(ids({}, three)).toEqual(['n2', 'n1', 'a1'])
    expect(ids({}, [busy, machine('a1', 'ams')])).toEqual(['n1', 'a1'])
  })

  it('fly E7: a stopped machine goes before those of its region that are over their soft limit, by distance; last, after all', () => {
    const three = [
      machine('n1', 'nrt', { isOverSoftLimit: true }),
      machine('n2', 'nrt', { isStopped: true }),
      machine('a1', 'ams'),
    ]
    expect(ids({}, three, 'nrt', 'by-distance')).toEqual(['n2', 'n1', 'a1'])
    expect(ids({}, three)).toEqual(['n1', 'a1', 'n2'])
  })

  it('never proposes a machine twice, an excluded one, or one outside the target', () => {
    const item = fc.constantFrom('nrt', 'ams', 'ord', 'eu', 'apac', 'any', 'xyz')
    fc.assert(
      fc.property(
        fc.array(item, { minLength: 1 }),
        fc.option(fc.constantFrom('n1', 'a1'), { nil: undefined }),
        (regions, except) => {
          const found = ids({ regions, ...(except && { exceptInstance: except }) })
          expect(new Set(found).size).toBe(found.length)
          if (except) expect(found).not.toContain(except)
          if (regions.includes('any')) expect(found).toHaveLength(all.length - (except ? 1 : 0))
        },
      ),
    )
  })
})

describe('1.6: headers clients may send', () => {
  it('1.6: fly-prefer-region: in order, then nearest', () => {
    expect(firstTarget('app', [['Fly-Prefer-Region', 'iad, ord,us']])).toEqual({
      app: 'app',
      regions: ['iad', 'ord', 'us', 'any'],
    })
  })

  it('1.6: precedence: force-instance, force-region, prefer-instance, prefer-region, nearest', () => {
    const headers: [string, string][] = [
      ['fly-force-instance-id', 'i'],
      ['fly-force-region', 'ord'],
      ['fly-prefer-instance-id', 'p'],
      ['fly-prefer-region', 'ams'],
    ]
    expect(firstTarget('app', headers)).toEqual({ app: 'app', instance: 'i' })
    expect(firstTarget('app', headers.slice(1))).toEqual({ app: 'app', regions: ['ord'] })
    expect(firstTarget('app', headers.slice(2))).toEqual({ app: 'app', preferInstance: 'p', regions: ['ams', 'any'] })
    expect(firstTarget('app', headers.slice(3))).toEqual({ app: 'app', regions: ['ams', 'any'] })
    expect(firstTarget('app', [])).toEqual({ app: 'app' })
  })
})
