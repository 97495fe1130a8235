import { describe, expect, test } from 'vitest'
import { PlanGuard, type SlowerPrepared } from '../src/driver/prepare/plan-guard.ts'

/** Runs a text so often as its guard says: prepared in `prepared(n)` ms, plain in `plain(n)`. */
function run(times: number, plain: (n: number) => number, prepared: (n: number) => number) {
  const guard = new PlanGuard()
  for (let n = 0; n < 5; n += 1) guard.plainTook(plain(n))
  let found: SlowerPrepared | undefined
  let plainRuns = 0
  for (let n = 0; n < times && !guard.isSlower; n += 1) {
    if (guard.wantsPlain) {
      plainRuns += 1
      found = guard.plainTook(plain(n)) ?? found
    } else if (guard.timesNext()) guard.preparedTook(prepared(n))
  }
  return { guard, found, plainRuns }
}

describe('S4: no plan is kept that hurts', () => {
  test('a text whose prepared runs are many times slower loses its name', () => {
    const { guard, found } = run(
      1_000,
      () => 0.3,
      () => 45,
    )
    expect(guard.isSlower).toBe(true)
    expect(found).toEqual({ preparedMillis: 45, plainMillis: expect.closeTo(0.3) })
  })

  test('so does one that is slow for every second value', () => {
    const { guard } = run(
      4_000,
      () => 0.3,
      (n) => (n % 3 === 0 ? 45 : 0.2),
    )
    expect(guard.isSlower).toBe(true)
  })

  test('one that is as fast as plain keeps it, and is compared ever more seldom', () => {
    const { guard, plainRuns } = run(
      100_000,
      () => 0.3,
      (n) => (n % 97 === 0 ? 8 : 0.3),
    )
    expect(guard.isSlower).toBe(false)
    expect(plainRuns).toBeLessThan(130)
  })

  test('one that became slow both ways keeps it', () => {
    const { guard } = run(
      10_000,
      (n) => (n < 5 ? 0.3 : 20),
      () => 20,
    )
    expect(guard.isSlower).toBe(false)
  })

  test('a tenth of a millisecond is no reason', () => {
    const { guard, plainRuns } = run(
      1_000,
      () => 0.02,
      () => 0.2,
    )
    expect([guard.isSlower, plainRuns]).toEqual([false, 0])
  })
})
