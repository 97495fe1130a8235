import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readState, reasonIn, signState, timelineIn } from '../src/replay/replay-state.ts'

const OLD = 'the old secret, long enough'
const NEW = 'the new secret, long enough'
const request = { method: 'POST', url: '/notes?draft=1' }
const NOW = 1_790_000_000_000

const secret = fc.string({ minLength: 16, maxLength: 64 })
const reason = fc.stringMatching(/^[a-z-]{1,32}$/)
const someRequest = fc.record({ method: fc.constantFrom('GET', 'POST', 'PUT'), url: fc.webPath() })

describe('the state of a replay', () => {
  test('P7: what was signed verifies, and is made of token characters only', () => {
    fc.assert(
      fc.property(secret, someRequest, reason, fc.integer({ min: 0, max: 60_000 }), (key, asked, why, age) => {
        const state = signState([key], asked, why, NOW)
        expect(state).toMatch(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/)
        expect(readState([key], asked, state, NOW + age)).toBe('replayed')
      }),
    )
  })

  test('P7: any single changed character makes it void', () => {
    const state = signState([NEW], request, 'write', NOW)
    fc.assert(
      fc.property(fc.nat(state.length - 1), fc.string({ minLength: 1, maxLength: 1 }), (at, character) => {
        fc.pre(state[at] !== character)
        const changed = state.slice(0, at) + character + state.slice(at + 1)
        expect(['absent', 'unverified']).toContain(readState([NEW], request, changed, NOW))
      }),
      { numRuns: 2000 },
    )
  })

  test('P7: a state that is truncated or extended is void', () => {
    const state = signState([NEW], request, 'write', NOW)
    for (let length = 0; length < state.length; length++) {
      expect(['absent', 'unverified']).toContain(readState([NEW], request, state.slice(0, length), NOW))
    }
    expect(readState([NEW], request, `${state}A`, NOW)).toBe('unverified')
  })

  test('P7: garbage is void and never throws', () => {
    fc.assert(fc.property(fc.string(), (text) => void expect(readState([NEW], request, text, NOW)).toBe('absent')))
    expect(readState([NEW], request, undefined, NOW)).toBe('absent')
    for (const text of ['hw2.', 'hw.x', 'v1.abc.write.x', 'hw2.é', `hw2.${'a'.repeat(257)}`]) {
      expect(readState([NEW], request, text, NOW)).toBe('absent')
    }
  })

  test('P7: a state is valid for its method, path and query only', () => {
    const state = signState([NEW], request, 'write', NOW)
    expect(readState([NEW], { ...request, method: 'PUT' }, state, NOW)).toBe('absent')
    expect(readState([NEW], { ...request, url: '/notes?draft=2' }, state, NOW)).toBe('absent')
    expect(readState([NEW], { ...request, url: '/notes' }, state, NOW)).toBe('absent')
  })

  test('P7: a state is good for 60 s, and a clock may be 60 s behind; another time is said', () => {
    const state = signState([NEW], request, 'write', NOW)
    expect(readState([NEW], request, state, NOW + 60_000)).toBe('replayed')
    expect(readState([NEW], request, state, NOW + 60_001)).toBe('replayed-at-another-time')
    expect(readState([NEW], request, state, NOW - 60_000)).toBe('replayed')
    expect(readState([NEW], request, state, NOW - 60_001)).toBe('replayed-at-another-time')
  })

  test('P7: keys rotate: the first signs, all verify', () => {
    const before = signState([OLD], request, 'write', NOW)
    expect(readState([NEW, OLD], request, before, NOW)).toBe('replayed')
    expect(readState([NEW], request, before, NOW)).toBe('unverified')
    const after = signState([NEW, OLD], request, 'write', NOW)
    expect(readState([NEW], request, after, NOW)).toBe('replayed')
    expect(readState([OLD], request, after, NOW)).toBe('unverified')
  })

  test('P4: the timeline that is known travels along, signed; without one there is none', () => {
    const cluster = '7312345678901234567'
    fc.assert(
      fc.property(reason, fc.integer({ min: 1, max: 0xffff_ffff }), (why, timeline) => {
        const state = signState([NEW], request, why, NOW, { cluster, timeline })
        expect(state).toMatch(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/)
        expect(readState([NEW], request, state, NOW)).toBe('replayed')
        expect([timelineIn(state), reasonIn(state)]).toEqual([{ cluster, timeline }, why])
        const raised = state.replace(`.${timeline}.`, `.${timeline + 1}.`)
        expect(readState([NEW], request, raised, NOW)).toBe('unverified')
      }),
    )
    for (const known of [undefined, { cluster: undefined, timeline: 7 }, { cluster, timeline: 0 }]) {
      const state = signState([NEW], request, 'write', NOW, known)
      expect([timelineIn(state), reasonIn(state)]).toEqual([{ cluster: undefined, timeline: 0 }, 'write'])
    }
  })

  test('P4: a state of another secret or another version is told apart from one of ours for another request', () => {
    const other = { ...request, url: '/other' }
    const state = signState([OLD], request, 'write', NOW)
    expect(readState([NEW], request, state, NOW)).toBe('unverified')
    expect(readState([NEW], other, state, NOW)).toBe('unverified')
    expect(readState([OLD], other, state, NOW)).toBe('absent')
    for (const text of ['hw1.x', 'hw3.whatever-comes', state.replace('hw2.', 'hw3.')]) {
      expect(readState([OLD], request, text, NOW)).toBe('unverified')
    }
  })
})
