import { describe, expect, it } from 'vitest'
import { chooseLane, type LaneLimits, type LaneState } from '../src/lanes/choose-lane.ts'

const LIMITS: LaneLimits = { most: 4, usualMillis: 0.5, isPoolShort: false }

function lane(reads: number, more: { waited?: number; held?: number; isClosed?: boolean } = {}): LaneState {
  const { waited = 0, held = waited, isClosed = false } = more
  return { reads, isClosed, waitedMillis: () => waited, heldMillis: () => held }
}

describe('S4: a read', () => {
  it('opens the first lane', () => {
    expect(chooseLane([], LIMITS, 0)).toBe('new')
  })

  it('joins the fullest lane that has not enough', () => {
    const [few, more, enough] = [lane(2), lane(7), lane(8)]
    expect(chooseLane([few, more, enough], LIMITS, 0)).toBe(more)
  })

  it('opens another when all have enough, and joins the emptiest when there are no more', () => {
    const lanes = [lane(20), lane(9), lane(30)]
    expect(chooseLane(lanes, LIMITS, 0)).toBe('new')
    expect(chooseLane([...lanes, lane(10)], LIMITS, 0)).toBe(lanes[1])
  })

  it('goes behind none that has waited 2 ms beyond the usual', () => {
    expect(chooseLane([lane(1, { waited: 2.6 })], { ...LIMITS, most: 1 }, 0)).toBeUndefined()
    expect(chooseLane([lane(1, { waited: 2.6 })], LIMITS, 0)).toBe('new')
    const patient = lane(1, { waited: 2.4 })
    expect(chooseLane([patient], { ...LIMITS, most: 1 }, 0)).toBe(patient)
  })

  it('goes on none that is closed or has too many', () => {
    expect(chooseLane([lane(1, { isClosed: true }), lane(128)], { ...LIMITS, most: 2 }, 0)).toBeUndefined()
  })

  it('takes no connection that others wait for, and has a lane end that has had its turn', () => {
    const short = { ...LIMITS, isPoolShort: true }
    expect(chooseLane([], short, 0)).toBeUndefined()
    expect(chooseLane([lane(1, { held: 11 })], short, 0)).toBeUndefined()
    const young = lane(1, { held: 9 })
    expect(chooseLane([young], short, 0)).toBe(young)
  })
})
