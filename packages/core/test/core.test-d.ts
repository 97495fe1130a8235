import { describe, expectTypeOf, it } from 'vitest'
import {
  type HeadwaterErrorCode,
  type ReplayImpossible,
  ReplayToPrimary,
  type Scope,
  withPrimary,
  withReplica,
} from '../src/index.ts'
import type { Decision, Situation, Statement } from '../src/internal.ts'

describe('types of core', () => {
  it('R6: withPrimary and withReplica return what their function returns', () => {
    expectTypeOf(withPrimary(() => 1)).toEqualTypeOf<number>()
    expectTypeOf(withReplica(async () => 'a')).toEqualTypeOf<Promise<string>>()
    // @ts-expect-error nothing to run
    withPrimary()
  })

  it('R7: route and reason go together', () => {
    expectTypeOf<Extract<Decision, { route: 'replica' }>['reason']>().not.toEqualTypeOf<string>()
    // @ts-expect-error a replica is never the place for a write
    const wrong: Decision = { route: 'replica', reason: 'write' }
    expectTypeOf(wrong).toEqualTypeOf<Decision>()
  })

  it('codes are a closed union, and instanceof narrows an error to its class', () => {
    expectTypeOf<HeadwaterErrorCode>().not.toEqualTypeOf<string>()
    const error = {} as ReplayToPrimary | ReplayImpossible
    if (error instanceof ReplayToPrimary) expectTypeOf(error.region).toEqualTypeOf<string>()
  })

  it('a situation and a statement cannot be changed', () => {
    expectTypeOf<Situation>().toEqualTypeOf<Readonly<Situation>>()
    expectTypeOf<Statement>().toEqualTypeOf<Readonly<Statement>>()
    // @ts-expect-error only a scope itself says what speaks against its replay
    const blockReplay = (scope: Scope) => (scope.blocker = undefined)
    expectTypeOf(blockReplay).toBeFunction()
  })
})
