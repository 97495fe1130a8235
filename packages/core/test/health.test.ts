import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Evidence, HEALTHY, type Health, isEjected, nextHealth, pauseMillis } from '../src/internal.ts'

const failed = (error = 'refused'): Evidence => ({ kind: 'failed', error })
const after = (...steps: readonly (readonly [Evidence, number])[]): Health =>
  steps.reduce((health, [evidence, now]) => nextHealth(health, evidence, now, 0.5), HEALTHY)

describe('health', () => {
  it('X3: a server that failed is ejected for a while, and comes back with its first answer', () => {
    const down = after([failed(), 1000])
    expect([isEjected(down, 1000), isEjected(down, 1249), isEjected(down, 1250)]).toEqual([true, true, false])
    expect(nextHealth(down, { kind: 'answered' }, 1300, 0)).toBe(HEALTHY)
  })

  it('X3: many failures at the same time are one, and the last error is kept', () => {
    const down = after([failed('first'), 0], [failed('second'), 1], [failed('third'), 2])
    expect(down).toMatchObject({ failures: 1, error: 'third' })
  })

  it('X3: a lost connection alone ejects no server, and does not end an ejection', () => {
    const lost: Evidence = { kind: 'connection-error', error: 'reset' }
    const down = after([failed(), 1000])
    expect(nextHealth(HEALTHY, lost, 1000, 0.5)).toBe(HEALTHY)
    expect(nextHealth(down, lost, 1000, 0.5)).toBe(down)
  })

  it('X3: a server that has not failed is never ejected, whatever the clock says', () => {
    expect(isEjected({ ...HEALTHY, ejectedUntilMillis: 100 }, 5)).toBe(false)
    expect(HEALTHY.isProbed).toBe(false)
  })

  it('X3: each failed probe doubles the pause, up to the longest, however fast it fails', () => {
    let health = after([failed(), 0])
    const pauses: number[] = []
    for (let now = 250, round = 0; round < 9; round += 1) {
      health = nextHealth(health, { kind: 'probed' }, now, 0.5)
      expect(isEjected(health, now)).toBe(true)
      health = nextHealth(health, failed(), now + 1, 0.5)
      pauses.push(health.ejectedUntilMillis - now - 1)
      now = health.ejectedUntilMillis
    }
    expect(pauses).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000])
  })

  it('X3: pauses are spread from 0.75 to 1.25 times their length', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), fc.double({ min: 0, max: 1, noNaN: true }), (failures, chance) => {
        const pause = pauseMillis(failures, { firstMillis: 100, maxMillis: 10_000 }, chance)
        const middle = Math.min(10_000, 100 * 2 ** (failures - 1))
        expect(pause).toBeGreaterThanOrEqual(middle * 0.75)
        expect(pause).toBeLessThanOrEqual(middle * 1.25)
      }),
    )
  })
})
