import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  AT_PRIMARY,
  createTopology,
  type Elsewhere,
  type FarServer,
  nearestOf,
  readsElsewhere,
  route,
  routeToFarReplica,
} from '../src/internal.ts'
import { anySituation, anyStatement, held, JOB, situation, statement } from './statements.ts'

const far: fc.Arbitrary<FarServer> = fc.record({
  region: fc.constantFrom('fra', 'lhr', undefined),
  millis: fc.option(fc.integer({ min: 0, max: 400 }), { nil: undefined }),
})
const primary = fc.record({
  region: fc.constant('ams'),
  millis: fc.option(fc.integer({ min: 0, max: 400 }), { nil: undefined }),
  isDown: fc.boolean(),
})
const how = fc.constantFrom('network' as const, 'replay' as const, 'never' as const)
const upAt = (millis: number) => ({ region: 'ams', millis, isDown: false })

describe('X10: where reads go that no local replica can answer', () => {
  it('X10: nowhere but to the primary while that is down, whatever the distance, and always to the nearest', () => {
    fc.assert(
      fc.property(how, fc.boolean(), primary, fc.array(far), (way, isAtHome, server, replicas) => {
        const { inRequest, outside, region } = readsElsewhere(way, isAtHome, server, replicas)
        const mayLeave = way !== 'never' && replicas.length > 0
        if (!mayLeave) return void expect([inRequest, outside]).toEqual(['primary', 'primary'])
        if (server.isDown) {
          expect([inRequest, outside]).not.toContain('primary')
          expect(region).toBe(nearestOf(replicas)?.region)
        }
        if (inRequest === 'replay') expect([way, typeof region]).toEqual(['replay', 'string'])
      }),
    )
  })

  it('X10: while the primary answers, only what is nearer than it is read, and at home nothing is', () => {
    fc.assert(
      fc.property(how, fc.boolean(), primary, fc.array(far), (way, isAtHome, server, replicas) => {
        fc.pre(!server.isDown)
        const there = readsElsewhere(way, isAtHome, server, replicas)
        if (isAtHome) return void expect(there).toEqual(AT_PRIMARY)
        const leaves = there.inRequest !== 'primary' || there.outside !== 'primary'
        const nearest = nearestOf(replicas)?.millis ?? Number.POSITIVE_INFINITY
        if (leaves) expect(nearest).toBeLessThan(server.millis ?? 0)
      }),
    )
  })

  it.each<[string, Elsewhere['inRequest'], Elsewhere['outside'], number, number]>([
    ['next to here: each statement goes there', 'network', 'network', 10, 160],
    ['half as far: a request crosses once, a job pays per statement', 'primary', 'network', 80, 160],
    ['as far: the primary has the newest', 'primary', 'primary', 158, 160],
    ['farther', 'primary', 'primary', 200, 160],
  ])('X10: a replica %s', (_name, inRequest, outside, replica, itself) => {
    const there = readsElsewhere('network', false, upAt(itself), [{ region: 'fra', millis: replica }])
    expect([there.inRequest, there.outside]).toEqual([inRequest, outside])
  })

  it('X10: with `replay` a request crosses once to whatever is nearer', () => {
    const replicas = [
      { region: 'sin', millis: 90 },
      { region: 'fra', millis: 80 },
    ]
    expect(readsElsewhere('replay', false, upAt(160), replicas)).toMatchObject({ inRequest: 'replay', region: 'fra' })
    expect(readsElsewhere('replay', false, upAt(82), replicas).inRequest).toBe('primary')
  })
})

const elsewhere: fc.Arbitrary<Elsewhere> = fc.record({
  inRequest: fc.constantFrom('primary' as const, 'network' as const, 'replay' as const),
  outside: fc.constantFrom('primary' as const, 'network' as const),
  region: fc.constant('fra'),
})

describe('X10: route', () => {
  it('X10: nothing but proven reads goes far, and only where no replica is next door', () => {
    fc.assert(
      fc.property(anyStatement, anySituation, elsewhere, (given, where, there) => {
        const topology = createTopology({ ...where.topology, elsewhere: there })
        const decision = route(given, { ...where, topology })
        if (decision.reason !== 'far-replica') return void expect(decision).toEqual(route(given, where))
        expect(where.topology.hasReplica).toBe(false)
        expect(given.access === 'read' || where.forced === 'replica').toBe(true)
        expect(given.access).not.toBe('write')
        // It takes the place of what would have gone to the primary for want of a replica, and of nothing else: R4, R9 and `strong` hold.
        expect(route(given, where).reason).toBe('no-replica')
      }),
      { numRuns: 5000 },
    )
  })

  const there = (inRequest: Elsewhere['inRequest'], outside: Elsewhere['outside']) =>
    createTopology({
      region: 'lhr',
      primaryRegion: 'ams',
      hasReplica: false,
      elsewhere: { inRequest, outside, region: 'fra' },
    })

  it('X10: a request is replayed or reads over the network; a job, and a request that cannot be replayed, read over the network', () => {
    const read = statement('read')
    const topology = there('replay', 'network')
    const scope = { kind: 'request' as const, hasWritten: false, blocker: undefined }
    const over = { route: 'replica', reason: 'far-replica' }
    expect(route(read, situation({ topology }))).toEqual({ route: 'replay', reason: 'far-replica' })
    expect(route(read, situation({ topology, scope: { ...scope, blocker: 'forbidden' } }))).toEqual(over)
    expect(route(read, situation({ topology, scope: { ...scope, isReplayVerified: true } }))).toEqual(over)
    expect(route(read, situation({ topology, scope: JOB }))).toEqual(over)
    expect(route(read, situation({ topology, scope: undefined }))).toEqual(over)
    expect(route(read, situation({ topology, ...held({ isReadOnly: true }), scope: JOB }))).toEqual(over)
    expect(route(read, situation({ topology: there('primary', 'network') })).reason).toBe('no-replica')
    expect(routeToFarReplica(situation())).toBeUndefined()
  })

  it('X8: a request that a replay brought to a stand-in region writes over the network; no other may', () => {
    const write = statement('write')
    const topology = createTopology({ region: 'lhr', primaryRegion: 'ams', hasReplica: true, standIns: ['lhr', 'cdg'] })
    const scope = { kind: 'request' as const, hasWritten: false, blocker: 'already-replayed' as const }
    const verified = { ...scope, isReplayVerified: true }
    expect(route(write, situation({ topology, scope: verified })).route).toBe('direct')
    expect(route(write, situation({ topology, scope })).route).toBe('impossible')
    expect(route(write, situation({ topology, scope: { ...verified, blocker: undefined } })).route).toBe('replay')
    expect(route(write, situation({ topology, scope: { ...verified, blocker: 'forbidden' } })).route).toBe('impossible')
    const other = createTopology({ ...topology, region: 'nrt' })
    expect(route(write, situation({ topology: other, scope: verified })).route).toBe('impossible')
  })
})
