import { describe, expect, it, vi } from 'vitest'
import {
  currentScope,
  ensurePrimary,
  findReplay,
  HeadwaterError,
  ReplayImpossible,
  ReplayToPrimary,
  runInScope,
  Scope,
  sideEffects,
  withPrimary,
  withReplica,
} from '../src/index.ts'
import { currentFrame, topologyOf } from '../src/internal.ts'
import { AWAY, HOME } from './statements.ts'

const request = (topology = AWAY) => new Scope({ kind: 'request', topology: () => topology })

describe('scope', () => {
  it('R6: withPrimary and withReplica restore what was forced before, also on a throw and across awaits', async () => {
    await runInScope(request(), async () => {
      await withReplica(async () => {
        await Promise.resolve()
        expect(currentFrame()?.forced).toBe('replica')
        expect(() =>
          withPrimary(() => {
            throw new Error('boom')
          }),
        ).toThrow('boom')
        expect(currentFrame()?.forced).toBe('replica')
        await withPrimary(async () => {
          await Promise.resolve()
          expect(currentFrame()?.forced).toBe('primary')
        })
      })
      expect(currentFrame()?.forced).toBeUndefined()
    })
    expect(currentScope()).toBeUndefined()
  })

  it('R6: a builder that sends its query only when it is awaited (Drizzle, Knex, Prisma) is awaited inside', async () => {
    /** Sends nothing before it is awaited. */
    class Lazy implements PromiseLike<string | undefined> {
      // biome-ignore lint/suspicious/noThenProperty: a thenable is what this is about
      get then(): PromiseLike<string | undefined>['then'] {
        const answer = Promise.resolve(currentFrame()?.forced)
        return answer.then.bind(answer)
      }
    }
    expect(await withPrimary(() => new Lazy())).toBe('primary')
    expect(await withReplica(() => new Lazy())).toBe('replica')
    expect(await runInScope(request(), () => new Lazy())).toBeUndefined()
    const eager = Promise.resolve(1)
    expect(withPrimary(() => eager)).toBe(eager)
  })

  it('scopes that run at the same time do not mix', async () => {
    const seen = await Promise.all(
      [request(), request()].map((scope) =>
        runInScope(scope, async () => {
          await new Promise((resolve) => setTimeout(resolve, 2))
          return currentScope() === scope
        }),
      ),
    )
    expect(seen).toEqual([true, true])
  })

  it('two loaded copies of core share one scope, and know each other’s errors', async () => {
    vi.resetModules()
    const copy = await import('../src/index.ts')
    expect(copy.Scope).not.toBe(Scope)
    const scope = request()
    void runInScope(scope, () => {
      expect(copy.currentScope()).toBe(scope)
      expect(copy.withPrimary(() => currentFrame()?.forced)).toBe('primary')
    })
    const error = new copy.ReplayImpossible('at-home')
    expect(error).toBeInstanceOf(ReplayImpossible)
    expect(error).toBeInstanceOf(HeadwaterError)
    expect(error).not.toBeInstanceOf(ReplayToPrimary)
    expect(new Error('other')).not.toBeInstanceOf(HeadwaterError)
  })

  it('P3: the first replay spends the scope; asking again gives the same error', () => {
    const scope = request()
    const first = scope.askForReplay(AWAY, 'write')
    expect(first).toBeInstanceOf(ReplayToPrimary)
    expect(scope.replay).toBe(first)
    expect(scope.askForReplay(AWAY, 'unknown')).toBe(first)
    expect(first).toMatchObject({
      code: 'HEADWATER_REPLAY_TO_PRIMARY',
      region: 'ams',
      from: 'nrt',
      reason: 'write',
      retryable: true,
    })
  })

  it('P4: an obstacle makes the replay impossible, says why, and does not spend the scope', () => {
    for (const obstacle of [
      'response-started',
      'already-replayed',
      'body-too-large',
      'side-effects',
      'replay-failed',
    ] as const) {
      const scope = request()
      scope.obstruct(obstacle)
      const error = scope.askForReplay(AWAY, 'write')
      expect(error).toBeInstanceOf(ReplayImpossible)
      expect(error).toMatchObject({ obstacle, code: 'HEADWATER_REPLAY_IMPOSSIBLE' })
      expect(scope.replay).toBeUndefined()
    }
    expect(request(HOME).askForReplay(HOME, 'write')).toMatchObject({
      obstacle: 'at-home',
      status: 503,
      headers: { 'retry-after': '1' },
    })
    expect(new Scope().askForReplay(AWAY, 'write')).toMatchObject({ obstacle: 'no-request' })
  })

  it('P4: sideEffects() forbids the replay from then on', () => {
    const scope = request()
    void runInScope(scope, () => sideEffects())
    expect(scope.askForReplay(AWAY, 'write')).toMatchObject({ obstacle: 'side-effects', status: 500, retryable: false })
    expect(() => sideEffects()).not.toThrow()
    const spent = request()
    const replay = spent.askForReplay(AWAY, 'write')
    expect(() => runInScope(spent, () => sideEffects())).toThrow(replay)
  })

  it('P5: ensurePrimary() replays away from home, and does nothing at home or outside a request', () => {
    expect(() => runInScope(request(), () => ensurePrimary())).toThrow(ReplayToPrimary)
    expect(() => runInScope(request(HOME), () => ensurePrimary())).not.toThrow()
    expect(() => ensurePrimary()).not.toThrow()
    expect(() => runInScope(new Scope({ topology: () => AWAY }), () => ensurePrimary())).not.toThrow()
  })

  it('P5: a replica that is gone teaches the route nothing', () => {
    for (const reason of ['replica-lost', 'no-replica', 'unknown-object'] as const) {
      const scope = request()
      expect(scope.askForReplay(AWAY, reason)).toBeInstanceOf(ReplayToPrimary)
      expect(scope.hasNeededPrimary).toBe(false)
    }
    const scope = request()
    scope.askForReplay(AWAY, 'refused')
    expect(scope.hasNeededPrimary).toBe(true)
  })

  it('finds a replay through what ORMs wrap around it, and does not follow a cycle for ever', () => {
    const replay = request().askForReplay(AWAY, 'write')
    const wrapped = new Error('query failed', {
      cause: Object.assign(new Error('driver'), { driverError: { parent: replay } }),
    })
    expect(findReplay(wrapped)).toBe(replay)
    const cycle = new Error('a')
    cycle.cause = new Error('b', { cause: cycle })
    expect(findReplay(cycle)).toBeUndefined()
    expect(findReplay(undefined)).toBeUndefined()
  })

  it('P7: a region is a-z, 0-9 and "-"; without a region the instance is at home', () => {
    expect(topologyOf({ region: undefined, primaryRegion: 'ams', hasReplica: false }).isAtHome).toBe(true)
    expect(AWAY.isAtHome).toBe(false)
    expect(Object.isFrozen(AWAY)).toBe(true)
  })
})
