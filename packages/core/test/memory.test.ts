import { describe, expect, it } from 'vitest'
import { LearnedWriters, RouteMemory } from '../src/internal.ts'
import { statement } from './statements.ts'

describe('RouteMemory', () => {
  it('P5: at first the method decides: unsafe methods are replayed early, safe ones are not', () => {
    const memory = new RouteMemory()
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'CONNECT', 'MKCOL', 'LOCK', 'PURGE', 'post', ''])
      expect([method, memory.shouldReplayEarly(method, '/a', 0)]).toEqual([method, true])
    for (const method of ['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PROPFIND', 'QUERY', 'REPORT', 'SEARCH'])
      expect([method, memory.shouldReplayEarly(method, '/a', 0)]).toEqual([method, false])
  })

  it.each(['POST', 'PUT', 'PATCH', 'DELETE', 'MKCOL'])(
    'P5: a %s is never tried here, whatever ran here before',
    (method) => {
      const memory = new RouteMemory({ retryEvery: 2, forgetAfterMillis: 1000 })
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

  it('P5: a GET that was seen to write is tried here once in 20 times, and is no longer replayed when it has stopped writing', () => {
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

  it('P5: is bounded, and forgets routes that were not used', () => {
    const memory = new RouteMemory({ capacity: 10, forgetAfterMillis: 1000 })
    for (let n = 0; n < 1000; n += 1) memory.learn('GET', `/${n}`, true, 0)
    expect(memory.size).toBe(10)
    expect(memory.shouldReplayEarly('POST', '/0', 0)).toBe(true)
    memory.learn('GET', '/w', true, 0)
    memory.learn('GET', '/w', true, 0)
    expect(memory.shouldReplayEarly('GET', '/w', 500)).toBe(true)
    expect(memory.shouldReplayEarly('GET', '/w', 5000)).toBe(false)
  })
})

describe('what RouteMemory forgets', () => {
  const taught = (options?: ConstructorParameters<typeof RouteMemory>[0]): RouteMemory => {
    const memory = new RouteMemory(options)
    for (let n = 0; n < 2; n += 1) memory.learn('GET', '/w', true, 0)
    return memory
  }

  it('P5: a route that was not used for 10 minutes, or for as long as the app says', () => {
    expect(taught().shouldReplayEarly('GET', '/w', 600_000)).toBe(true)
    expect(taught().shouldReplayEarly('GET', '/w', 600_001)).toBe(false)
    expect(taught({ forgetAfterMillis: 1000 }).shouldReplayEarly('GET', '/w', 1000)).toBe(true)
    expect(taught({ forgetAfterMillis: 1000 }).shouldReplayEarly('GET', '/w', 1001)).toBe(false)
    const used = taught({ forgetAfterMillis: 1000 })
    for (let now = 0; now < 5000; now += 900) expect(used.shouldReplayEarly('GET', '/w', now)).toBe(true)
  })

  it('P5: the route that was used longest ago, of more than 1,000', () => {
    const memory = taught()
    for (let n = 0; n < 999; n += 1) memory.learn('GET', `/${n}`, true, 0)
    expect([memory.size, memory.shouldReplayEarly('GET', '/w', 0)]).toEqual([1000, true])
    for (let n = 0; n < 999; n += 1) memory.learn('GET', `/other/${n}`, true, 0)
    expect([memory.size, memory.shouldReplayEarly('GET', '/w', 0)]).toEqual([1000, true])
    for (let n = 0; n < 1000; n += 1) memory.learn('GET', `/third/${n}`, true, 0)
    expect([memory.size, memory.shouldReplayEarly('GET', '/w', 0)]).toEqual([1000, false])
  })

  it('P5: no route that writes for 100,000 that only read', () => {
    const memory = taught()
    let replayed = 0
    for (let n = 0; n < 100_000; n += 1) {
      if (memory.shouldReplayEarly('GET', `/@user/title-${n}`, 0)) replayed += 1
      memory.learn('GET', `/@user/title-${n}`, false, 0)
    }
    expect([replayed, memory.size, memory.shouldReplayEarly('GET', '/w', 0)]).toEqual([0, 1, true])
  })

  it('P5: one request in 20 is tried here', () => {
    const early = Array.from({ length: 40 }, () => false)
    const memory = taught()
    for (const at of early.keys()) early[at] = memory.shouldReplayEarly('GET', '/w', 0)
    expect(early.flatMap((isEarly, at) => (isEarly ? [] : [at]))).toEqual([19, 39])
  })

  it('P5: each method and route has its own record; half writes count as a writer', () => {
    const memory = taught()
    expect([memory.shouldReplayEarly('GET', '/w', 0), memory.shouldReplayEarly('HEAD', '/w', 0)]).toEqual([true, false])
    // 0.4 -> 0.64 -> 0.384
    const turns = [true, true, false].map((hasNeededPrimary) => {
      memory.learn('GET', '/t', hasNeededPrimary, 0)
      return memory.shouldReplayEarly('GET', '/t', 0)
    })
    expect(turns).toEqual([false, true, false])
  })
})

describe('LearnedWriters', () => {
  it('P2: learns the function that the server names, in any language, and not a longer name that contains it', () => {
    const learned = new LearnedWriters({ now: () => 0 })
    learned.learn(
      'select audit(1), audit_all()',
      statement('unknown', ['audit', 'audit_all']),
      'PL/pgSQL-Funktion audit(integer) Zeile 1',
    )
    expect(learned.isKnown('select audit(2)', statement('unknown', ['audit']))).toBe(true)
    expect(learned.isKnown('select audit_all()', statement('unknown', ['audit_all']))).toBe(false)
  })

  it('P2: learns the text when the server names none of its functions', () => {
    const learned = new LearnedWriters({ now: () => 0 })
    learned.learn('select * from view_that_writes', statement('unknown'), undefined)
    expect(learned.isKnown('select * from view_that_writes', statement('unknown'))).toBe(true)
    expect(learned.isKnown('select * from another', statement('unknown'))).toBe(false)
    learned.learn('select f() from view_that_writes', statement('unknown', ['f']), undefined)
    expect(learned.isKnown('select f() from view_that_writes', statement('unknown', ['f']))).toBe(true)
    expect(learned.isKnown('select f()', statement('unknown', ['f']))).toBe(false)
  })

  it('P2: a text whose function was named is not remembered itself', () => {
    const learned = new LearnedWriters({ now: () => 0 })
    learned.learn('select audit(1)', statement('unknown', ['audit']), 'PL/pgSQL function audit(integer) line 1')
    expect(learned.isKnown('select audit(1)', statement('unknown', ['audit']))).toBe(true)
    expect(learned.isKnown('select audit(1)', statement('unknown'))).toBe(false)
  })

  it('P2: remembers every function that is named, and the text when only other names are', () => {
    const learned = new LearnedWriters({ now: () => 0 })
    const where = 'PL/pgSQL function s."b$"(integer) line 1\nSQL statement "select a()"'
    learned.learn('select a(), s.b$(1), c()', statement('unknown', ['a', 's.b$', 'c']), where)
    const isKnown = (name: string) => learned.isKnown('another text', statement('unknown', [name]))
    expect(['a', 's.b$', 'c'].map(isKnown)).toEqual([true, true, false])
    learned.learn('select d()', statement('unknown', ['d']), 'PL/pgSQL function dd() line 1, d_, d$, $d, ad')
    expect([isKnown('d'), learned.isKnown('select d()', statement('unknown', ['d']))]).toEqual([false, true])
  })

  it.each(['audit', 'audit(1)', 'function audit', 'xaudit audit', 'audit2, audit.'])(
    'P2: “%s” names audit',
    (where) => {
      const learned = new LearnedWriters({ now: () => 0 })
      learned.learn('select audit()', statement('unknown', ['audit']), where)
      expect(learned.isKnown('another text', statement('unknown', ['audit']))).toBe(true)
    },
  )

  it('is bounded to 1,000 by default, and learning the same again adds nothing', () => {
    const learned = new LearnedWriters({ now: () => 0 })
    for (let n = 0; n <= 1000; n += 1) learned.learn(`select ${n}`, statement('unknown'), undefined)
    expect([0, 1, 1000].map((n) => learned.isKnown(`select ${n}`, statement('unknown')))).toEqual([false, true, true])
  })

  it('knows nothing at first', () => {
    expect(new LearnedWriters({ now: () => 0 }).isKnown('', statement('unknown', ['audit']))).toBe(false)
  })

  it('is bounded', () => {
    const learned = new LearnedWriters({ capacity: 2, now: () => 0 })
    for (const text of ['a', 'b', 'c']) learned.learn(text, statement('unknown'), undefined)
    expect(['a', 'b', 'c'].map((text) => learned.isKnown(text, statement('unknown')))).toEqual([false, true, true])
  })

  it('R2: a function that wrote once is tried again after 10 minutes, and so is a text; a new refusal counts anew', () => {
    let now = 0
    const learned = new LearnedWriters({ now: () => now })
    const audit = statement('unknown', ['audit'])
    const teach = (): void => {
      learned.learn('select audit()', audit, 'function audit()')
      learned.learn('select * from view_that_writes', statement('unknown'), undefined)
    }
    const isKnown = (): boolean[] => [
      learned.isKnown('select audit()', audit),
      learned.isKnown('select * from view_that_writes', statement('unknown')),
    ]
    teach()
    now = 600_000
    expect(isKnown()).toEqual([true, true])
    now = 600_001
    expect(isKnown()).toEqual([false, false])
    teach()
    now = 1_200_000
    teach()
    now = 1_800_000
    expect(isKnown()).toEqual([true, true])
    now = 1_800_001
    expect(isKnown()).toEqual([false, false])
  })

  it('R2: texts of a megabyte are remembered as long as there is room for them', () => {
    const learned = new LearnedWriters({ now: () => 0 })
    const texts = Array.from({ length: 6 }, (_, n) => `${n}`.padEnd(1_000_000, ' '))
    for (const text of texts) learned.learn(text, statement('unknown'), undefined)
    const known = (): boolean[] => texts.map((text) => learned.isKnown(text, statement('unknown')))
    expect(known()).toEqual([false, false, true, true, true, true])
    const endless = 'x'.repeat(4_194_305)
    learned.learn(endless, statement('unknown'), undefined)
    expect(learned.isKnown(endless, statement('unknown'))).toBe(false)
    expect(known()).toEqual([false, false, true, true, true, true])
  })
})
