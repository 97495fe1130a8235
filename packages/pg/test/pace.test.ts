import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Pace, type Paced } from '../src/fleet/pace.ts'
import type { PoolNode } from '../src/node/pool-node.ts'

const nodeIn = (region: string) =>
  ({ region, roundTrip: { isMeasured: true }, traits: { isMoving: false } }) as unknown as PoolNode

const [near, far] = [nodeIn('nrt'), nodeIn('ams')]

/** A fleet of which the far one was the primary last. */
const fleet = (isPrimaryDown: boolean): Paced => ({
  primary: far,
  hasPrimary: true,
  isPrimaryDown,
  isLocal: (node) => node === near,
})

describe('how often servers are asked', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['performance'] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('X7: once a second next door, and once in ten far away, while all is calm', () => {
    const pace = new Pace(fleet(false), undefined)
    expect([pace.pauseFor(near), pace.pauseFor(far)]).toEqual([1_000, 10_000])
  })

  it('X7, X8: every 100 ms on evidence, and for as long as the primary is down, however long ago that was, often enough to follow in half a second', () => {
    const pace = new Pace(fleet(true), undefined)
    pace.alarm()
    expect([pace.pauseFor(near), pace.pauseFor(far)]).toEqual([100, 100])
    vi.advanceTimersByTime(3_600_000)
    for (const node of [near, far]) expect(pace.pauseFor(node)).toBeLessThanOrEqual(250)
  })
})
