import { describe, expect, it } from 'vitest'
import { CatalogAge } from '../src/catalog/catalog-age.ts'

const REPLICA = {}
const OTHER = {}

function known(maxAgeMillis = 5000): CatalogAge {
  const age = new CatalogAge(maxAgeMillis)
  age.loaded(REPLICA, 'first', 0)
  return age
}

describe('R1: how long a replica is taken to have the catalog that is known', () => {
  it('R1: what it said counts for five seconds, and after two it is due to be asked again', () => {
    const age = known()
    expect([0, 1999, 2000, 4999, 5000].map((now) => age.standingOf(REPLICA, now))).toEqual([
      'same',
      'same',
      'due',
      'due',
      'unasked',
    ])
    expect(age.heard(REPLICA, 'first', 5000)).toBe(false)
    expect(age.standingOf(REPLICA, 6999)).toBe('same')
  })

  it('R1: one that was never asked is not taken to have it, and without a catalog there is nothing to ask', () => {
    expect(known().standingOf(OTHER, 0)).toBe('unasked')
    expect(new CatalogAge(5000).standingOf(OTHER, 0)).toBe('same')
    expect(known(Number.POSITIVE_INFINITY).standingOf(OTHER, 1e9)).toBe('same')
  })

  it('R1: one whose catalog has changed is not read until the change was read, and the verdicts before it are void', () => {
    const age = known()
    expect(age.generation).toBe(1)
    expect(age.heard(REPLICA, 'second', 1000)).toBe(true)
    expect(age.standingOf(REPLICA, 1100)).toBe('other')
    expect(age.standingOf(REPLICA, 1500)).toBe('unasked')
    age.loaded(REPLICA, 'second', 1600)
    expect(age.standingOf(REPLICA, 1700)).toBe('same')
    expect(age.generation).toBe(2)
    age.loaded(REPLICA, 'second', 9000)
    expect(age.generation).toBe(2)
  })

  it('R1: one that is merely behind another is not read, and does not bring back what was known before', () => {
    const age = known()
    age.loaded(OTHER, 'second', 1000)
    expect(age.standingOf(REPLICA, 1100)).toBe('unasked')
    for (let now = 1200; now < 60_000; now += 600) {
      expect(age.heard(REPLICA, 'first', now)).toBe(false)
      expect(age.heard(OTHER, 'second', now)).toBe(false)
      expect(age.standingOf(REPLICA, now)).toBe('other')
    }
    expect(age.heard(REPLICA, 'second', 60_000)).toBe(false)
    expect(age.standingOf(REPLICA, 60_000)).toBe('same')
  })

  it('R1: a catalog that no server has is read again, less often each time that it did not help', () => {
    const age = known()
    const asked: number[] = []
    age.loaded(OTHER, 'second', 0)
    for (let now = 100; now < 60_000; now += 100) if (age.heard(REPLICA, 'first', now)) asked.push(now)
    expect(asked).toEqual([1000, 3000, 7000, 15_000, 31_000])
  })

  it('R1: an answer that was asked for before the last one is not heard', () => {
    const age = known()
    expect(age.heard(REPLICA, 'second', 2000)).toBe(true)
    expect(age.heard(REPLICA, 'first', 1000)).toBe(false)
    expect(age.standingOf(REPLICA, 2001)).toBe('other')
    age.loaded(REPLICA, 'first', 1500)
    expect(age.standingOf(REPLICA, 2001)).toBe('other')
  })
})
