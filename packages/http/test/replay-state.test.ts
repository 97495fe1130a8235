import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { signState, verifyState } from '../src/replay/replay-state.ts'

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
        expect(verifyState([key], asked, state, NOW + age)).toBe(why)
      }),
    )
  })

  test('P7: any single changed character makes it void', () => {
    const state = signState([NEW], request, 'write', NOW)
    fc.assert(
      fc.property(fc.nat(state.length - 1), fc.string({ minLength: 1, maxLength: 1 }), (at, character) => {
        fc.pre(state[at] !== character)
        const changed = state.slice(0, at) + character + state.slice(at + 1)
        expect(verifyState([NEW], request, changed, NOW)).toBeUndefined()
      }),
      { numRuns: 2000 },
    )
  })

  test('P7: a state that is truncated or extended is void', () => {
    const state = signState([NEW], request, 'write', NOW)
    for (let length = 0; length < state.length; length++) {
      expect(verifyState([NEW], request, state.slice(0, length), NOW)).toBeUndefined()
    }
    expect(verifyState([NEW], request, `${state}A`, NOW)).toBeUndefined()
  })

  test('P7: garbage is void and never throws', () => {
    fc.assert(fc.property(fc.string(), (text) => verifyState([NEW], request, text, NOW) === undefined))
    expect(verifyState([NEW], request, undefined, NOW)).toBeUndefined()
    expect(verifyState([NEW], request, `v1.zzzzzzzzzzz.write.${'A'.repeat(43)}`, NOW)).toBeUndefined()
  })

  test('P7: a state is valid for its method, path and query only', () => {
    const state = signState([NEW], request, 'write', NOW)
    expect(verifyState([NEW], { ...request, method: 'PUT' }, state, NOW)).toBeUndefined()
    expect(verifyState([NEW], { ...request, url: '/notes?draft=2' }, state, NOW)).toBeUndefined()
    expect(verifyState([NEW], { ...request, url: '/notes' }, state, NOW)).toBeUndefined()
  })

  test('P7: a state expires after 60 s, and a clock may be 60 s behind', () => {
    const state = signState([NEW], request, 'write', NOW)
    expect(verifyState([NEW], request, state, NOW + 60_000)).toBe('write')
    expect(verifyState([NEW], request, state, NOW + 60_001)).toBeUndefined()
    expect(verifyState([NEW], request, state, NOW - 60_000)).toBe('write')
    expect(verifyState([NEW], request, state, NOW - 60_001)).toBeUndefined()
  })

  test('P7: keys rotate: the first signs, all verify', () => {
    const before = signState([OLD], request, 'write', NOW)
    expect(verifyState([NEW, OLD], request, before, NOW)).toBe('write')
    expect(verifyState([NEW], request, before, NOW)).toBeUndefined()
    const after = signState([NEW, OLD], request, 'write', NOW)
    expect(verifyState([NEW], request, after, NOW)).toBe('write')
    expect(verifyState([OLD], request, after, NOW)).toBeUndefined()
  })
})
