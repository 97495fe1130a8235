import { describe, expect, it } from 'vitest'
import { LearnedWriters, RouteMemory } from '../src/index.ts'
import { statement } from './statements.ts'

describe('RouteMemory', () => {
  it('P5: the method is a prior: what is not safe is replayed early, the rest is not', () => {
    const memory = new RouteMemory()
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'CONNECT', 'MKCOL', 'LOCK', 'PURGE', 'post', ''])
      expect([method, memory.shouldReplayEarly(method, '/a', 0)]).toEqual([method, true])
    for (const method of ['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PROPFIND', 'QUERY', 'REPORT', 'SEARCH'])
      expect([method, memory.shouldReplayEarly(method, '/a', 0)]).toEqual([method, false])
  })

  it.each(['POST', 'PUT', 'PATCH', 'DELETE', 'MKCOL'])(
    'P5: a %s is never tried here, whatever ran here before',
    (method) => {
      const memory = new RouteMemory({ retryEvery: 2, forgetAfterMs: 1000 })
      for (const hasNeededPrimary of [false, true, false]) {
        for (let n = 0; n < 100; n += 1) {
          memory.learn(method, '/charge', hasNeededPrimary, n)
          expect(memory.shouldReplayEarly(method, '/charge', n)).toBe(true)
        }
      }
      expect(memory.shouldReplayEarly(method, '/charge', 1_000_000)).toBe(true)
      expect(memory.size).toBe(0)
    },
  )

  it('P5: a GET that was seen to write is tried here once in a while, and stops being replayed when it stops writing', () => {
    const memory = new RouteMemory({ retryEvery: 5 })
    memory.learn('GET', '/visit', true, 0)
    memory.learn('GET', '/visit', true, 0)
    const early = Array.from({ length: 5 }, () => memory.shouldReplayEarly('GET', '/visit', 0))
    expect(early).toEqual([true, true, true, true, false])
    memory.learn('GET', '/visit', false, 0)
    expect(memory.shouldReplayEarly('GET', '/visit', 0)).toBe(false)
  })

  it('P5: a GET that writes is replayed before any work; one write among many reads is not enough', () => {
    const memory = new RouteMemory()
    memory.learn('GET', '/magic-link', true, 0)
    expect(memory.shouldReplayEarly('GET', '/magic-link', 0)).toBe(false)
    memory.learn('GET', '/magic-link', true, 0)
    expect(memory.shouldReplayEarly('GET', '/magic-link', 0)).toBe(true)
    for (let n = 0; n < 20; n += 1) memory.learn('GET', '/page', n === 10, 0)
    expect(memory.shouldReplayEarly('GET', '/page', 0)).toBe(false)
  })

  it('P5: is bounded, and forgets what was not used', () => {
    const memory = new RouteMemory({ capacity: 10, forgetAfterMs: 1000 })
    for (let n = 0; n < 1000; n += 1) memory.learn('GET', `/${n}`, true, 0)
    expect(memory.size).toBe(10)
    memory.learn('GET', '/w', true, 0)
    memory.learn('GET', '/w', true, 0)
    expect(memory.shouldReplayEarly('GET', '/w', 500)).toBe(true)
    expect(memory.shouldReplayEarly('GET', '/w', 5000)).toBe(false)
  })
})

describe('LearnedWriters', () => {
  it('P2: learns the function that the server names, in any language, and not its longer namesake', () => {
    const learned = new LearnedWriters()
    learned.learn(
      'select audit(1), audit_all()',
      statement('unknown', ['audit', 'audit_all']),
      'PL/pgSQL-Funktion audit(integer) Zeile 1',
    )
    expect(learned.isKnown('select audit(2)', statement('unknown', ['audit']))).toBe(true)
    expect(learned.isKnown('select audit_all()', statement('unknown', ['audit_all']))).toBe(false)
  })

  it('P2: learns the text when no function of it is named', () => {
    const learned = new LearnedWriters()
    learned.learn('select * from view_that_writes', statement('unknown'), undefined)
    expect(learned.isKnown('select * from view_that_writes', statement('unknown'))).toBe(true)
    expect(learned.isKnown('select * from another', statement('unknown'))).toBe(false)
  })

  it('is bounded', () => {
    const learned = new LearnedWriters(2)
    for (const text of ['a', 'b', 'c']) learned.learn(text, statement('unknown'), undefined)
    expect(['a', 'b', 'c'].map((text) => learned.isKnown(text, statement('unknown')))).toEqual([false, true, true])
  })
})
