import { toLsn } from '@headwater/core/internal'
import { describe, expect, it } from 'vitest'
import { CatalogAge, type CatalogState } from '../src/catalog/catalog-age.ts'

const REPLICA = {}
const OTHER = {}

const state = (fingerprint: string, position: number): CatalogState => ({ fingerprint, lsn: toLsn(BigInt(position)) })

/** What is known was read from `REPLICA` at time 0, at position 100. */
function known(maxAgeMillis = 5000): CatalogAge {
  const age = new CatalogAge(maxAgeMillis)
  age.loaded(REPLICA, state('first', 100), 0)
  return age
}

describe('R1: how long a replica is taken to have no newer catalog than the known one', () => {
  it('R1: what it said counts for five seconds, and after two it is due to be asked again', () => {
    const age = known()
    expect([0, 1999, 2000, 4999, 5000].map((now) => age.standingOf(REPLICA, now))).toEqual([
      'known',
      'known',
      'due',
      'due',
      'unasked',
    ])
    expect(age.heard(REPLICA, state('first', 200), 5000)).toBe(false)
    expect(age.standingOf(REPLICA, 6999)).toBe('known')
  })

  it('R1: nothing is taken of one that was never asked; without a catalog, or with no limit, there is nothing to ask', () => {
    expect(known().standingOf(OTHER, 0)).toBe('unasked')
    expect(new CatalogAge(5000).standingOf(OTHER, 0)).toBe('known')
    expect(known(Number.POSITIVE_INFINITY).standingOf(OTHER, 1e9)).toBe('known')
  })

  it('R1: one that has a change is not read until that was read, and verdicts from before are told from those after', () => {
    const age = known()
    expect(age.generation).toBe(1)
    expect(age.heard(REPLICA, state('second', 150), 1000)).toBe(true)
    expect(age.standingOf(REPLICA, 1100)).toBe('ahead')
    expect(age.standingOf(REPLICA, 1500)).toBe('unasked')
    age.loaded(REPLICA, state('second', 160), 1600)
    expect(age.standingOf(REPLICA, 1700)).toBe('known')
    expect(age.generation).toBe(2)
    age.loaded(REPLICA, state('second', 900), 9000)
    expect(age.generation).toBe(2)
  })

  it('R1: one that is behind is read, and asked like any other; it is ahead when it has passed what is known otherwise', () => {
    const age = known()
    age.loaded(OTHER, state('second', 200), 1000)
    expect(age.heard(REPLICA, state('first', 199), 1100)).toBe(false)
    expect(age.standingOf(REPLICA, 1100)).toBe('known')
    expect(age.standingOf(REPLICA, 6100)).toBe('unasked')
    expect(age.heard(REPLICA, state('second', 250), 6100)).toBe(false)
    expect(age.standingOf(REPLICA, 6100)).toBe('known')
    expect(age.heard(REPLICA, state('third', 260), 6200)).toBe(true)
    expect(age.standingOf(REPLICA, 6200)).toBe('ahead')
  })

  it('R1: at the same position two catalogs cannot be told apart by age, so the other one is read', () => {
    expect(known().heard(OTHER, state('second', 100), 10)).toBe(true)
  })

  it('R1: where a server cannot tell the state of its catalog, none is asked', () => {
    const age = known()
    age.loaded(REPLICA, undefined, 1000)
    expect(age.generation).toBe(2)
    expect(age.standingOf(OTHER, 1e9)).toBe('known')
  })

  it('R1: an answer that was asked for before the last one is not heard', () => {
    const age = known()
    expect(age.heard(REPLICA, state('second', 150), 2000)).toBe(true)
    age.heard(REPLICA, state('first', 140), 1000)
    expect(age.standingOf(REPLICA, 2001)).toBe('ahead')
    age.loaded(REPLICA, state('first', 145), 1500)
    expect(age.standingOf(REPLICA, 2001)).toBe('ahead')
  })
})
