import { describe, expect, it } from 'vitest'
import { Turns } from '../src/fleet/turns.ts'

const rotated = <One>(all: readonly One[], by: number): One[] => [...all.slice(by), ...all.slice(0, by)]

describe('whom reads hurry (F4)', () => {
  it('F4: everybody has a turn before anybody has two, in whatever order they come', () => {
    const all = [{ name: 'a' }, { name: 'b' }, { name: 'c' }]
    // Every sequence of six orders.
    for (let sequence = 0; sequence < 3 ** 6; sequence += 1) {
      const turns = new Turns<{ name: string }>()
      const taken = Array.from({ length: 6 }, (_, at) => {
        const by = Math.floor(sequence / 3 ** at) % 3
        return turns.take(rotated(all, by))?.name
      })
      for (const round of [taken.slice(0, 3), taken.slice(3)]) {
        expect(new Set(round), `sequence ${sequence}: ${taken}`).toEqual(new Set(['a', 'b', 'c']))
      }
    }
  })

  it('F4: who joins is next, and nobody is no error', () => {
    const [old, young] = [{}, {}]
    const turns = new Turns<object>()
    expect(turns.take([])).toBeUndefined()
    expect(turns.take([old])).toBe(old)
    expect(turns.take([old, young])).toBe(young)
    expect(turns.take([young, old])).toBe(old)
  })
})
