import { AsyncLocalStorage } from 'node:async_hooks'
import { describe, expect, it, vi } from 'vitest'
import {
  currentScope,
  diagnostics,
  ensurePrimary,
  findReplay,
  forbidReplay,
  HeadwaterError,
  isReplay,
  PrimaryUnavailable,
  ReplayImpossible,
  ReplayToPrimary,
  replayOn,
  runInScope,
  Scope,
  WriteOnReplica,
  withConsistency,
  withPrimary,
  withReplica,
} from '../src/index.ts'
import { createTopology, currentFrame, toLsn } from '../src/internal.ts'
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

  it('scopes that run at the same time do not see each other', async () => {
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

  it('the shared storage has its own symbol, and is not enumerable', () => {
    const symbol = Symbol.for('headwater.scope.1')
    expect(Reflect.get(globalThis, symbol)).toBeInstanceOf(AsyncLocalStorage)
    expect(Object.getOwnPropertyDescriptor(globalThis, symbol)?.enumerable).toBe(false)
  })

  it('P3: the first replay spends the scope; asking again gives the same error, in an object of its own', () => {
    const scope = request()
    const first = scope.askForReplay(AWAY, 'write')
    expect(first).toBeInstanceOf(ReplayToPrimary)
    expect(scope.isSpent).toBe(true)
    expect(scope.replay).toEqual(first)
    expect(scope.askForReplay(AWAY, 'unknown')).toEqual(first)
    expect(first).toMatchObject({
      code: 'HEADWATER_REPLAY_TO_PRIMARY',
      region: 'ams',
      from: 'nrt',
      reason: 'write',
      retryable: true,
    })
  })

  it('P4: a blocker makes the replay impossible, is named in the error, and does not spend the scope', () => {
    for (const blocker of [
      'response-started',
      'already-replayed',
      'body-too-large',
      'forbidden',
      'replay-failed',
    ] as const) {
      const scope = request()
      scope.blockReplay(blocker)
      const error = scope.askForReplay(AWAY, 'write')
      expect(error).toBeInstanceOf(ReplayImpossible)
      expect(error).toMatchObject({ blocker, code: 'HEADWATER_REPLAY_IMPOSSIBLE' })
      expect(scope.replay).toBeUndefined()
    }
    expect(request(HOME).askForReplay(HOME, 'write')).toMatchObject({
      blocker: 'at-home',
      status: 503,
      headers: { 'retry-after': '1', 'cache-control': 'no-store' },
    })
    expect(new Scope().askForReplay(AWAY, 'write')).toMatchObject({ blocker: 'no-request' })
  })

  it('P10: what a library writes into an error of ours shows in no other (Knex puts its SQL before the message)', () => {
    const scope = request()
    const first = scope.askForReplay(AWAY, 'write', new Error('refused'))
    const { message } = first
    Object.assign(first, { message: `select 1 - ${first.message}`, code: 'OTHER', region: 'evil', sql: 'select 1' })
    for (const later of [scope.replay, scope.askForReplay(AWAY, 'write')]) {
      expect(later).toMatchObject({ message, code: 'HEADWATER_REPLAY_TO_PRIMARY', region: 'ams', cause: first.cause })
      expect(later).not.toHaveProperty('sql')
    }
  })

  it('P10: a scope remembers its last refusal that has a status of ours, until a write is sent', () => {
    const refused = (blocker: 'replay-failed' | 'body-too-large' | 'forbidden' | 'response-started') => {
      const scope = request()
      scope.blockReplay(blocker)
      return [scope.askForReplay(AWAY, 'write'), scope] as const
    }
    for (const blocker of ['replay-failed', 'body-too-large'] as const) {
      const [error, scope] = refused(blocker)
      expect(scope.refusal).toBe(error)
      scope.forgetRefusal()
      expect(scope.refusal).toBeUndefined()
    }
    // A 500 says nothing that the app's own does not; a replay is no refusal.
    for (const blocker of ['forbidden', 'response-started'] as const)
      expect(refused(blocker)[1].refusal).toBeUndefined()
    const spent = request()
    spent.askForReplay(AWAY, 'write')
    expect(spent.refusal).toBeUndefined()
    const gone = new PrimaryUnavailable(new Error('connect ECONNREFUSED'))
    expect(spent.refuse(gone)).toBe(gone)
    expect(spent.refusal).toBe(gone)
  })

  it('P2: replayOn() hands the request over for an error of another client that means so', () => {
    const refusal = Object.assign(new Error('cannot execute INSERT'), { code: '25006', severity: 'ERROR' })
    const missing = Object.assign(new Error('no such table'), { code: '42P01', severity: 'ERROR' })
    const duplicate = Object.assign(new Error('duplicate key'), { code: '23505', severity: 'ERROR' })
    const attempt = (scope: Scope | undefined, error: unknown, isWanted?: (error: unknown) => boolean): unknown => {
      try {
        if (scope === undefined) replayOn(error, isWanted)
        else runInScope(scope, () => replayOn(error, isWanted))
        return undefined
      } catch (thrown) {
        return thrown
      }
    }
    expect(attempt(request(), new Error('wrapped', { cause: refusal }))).toMatchObject({
      code: 'HEADWATER_REPLAY_TO_PRIMARY',
      reason: 'refused',
      cause: { cause: refusal },
    })
    expect(attempt(request(), missing)).toMatchObject({ reason: 'unknown-object', cause: missing })
    // What our own pool has decided stands.
    const misplaced = new WriteOnReplica('inside withReplica()', refusal)
    for (const error of [
      duplicate,
      new Error('its own'),
      misplaced,
      new Error('wrapped', { cause: misplaced }),
      undefined,
    ])
      expect(attempt(request(), error)).toBeUndefined()
    // Where no replay is possible, an object that is missing is missing.
    const blocked = request()
    blocked.blockReplay('already-replayed')
    expect(attempt(blocked, refusal)).toMatchObject({ blocker: 'already-replayed', cause: refusal })
    expect(attempt(blocked, missing)).toBeUndefined()
    expect(attempt(request(HOME), refusal)).toMatchObject({ blocker: 'at-home' })
    expect(attempt(request(HOME), missing)).toBeUndefined()
    for (const scope of [undefined, new Scope(), new Scope({ topology: () => AWAY })])
      expect(attempt(scope, refusal)).toBeUndefined()
    // A matcher of the app, and a scope that is spent already.
    const readOnly = (error: unknown) => /READONLY/.test(String(error))
    const scope = request()
    expect(attempt(scope, new Error('READONLY You cannot write'), readOnly)).toBeInstanceOf(ReplayToPrimary)
    expect(attempt(scope, duplicate)).toEqual(scope.replay)
  })

  it('P2: replayOn() does not hand over a request that has written: it would write twice', () => {
    const scope = request()
    scope.hasWritten = true
    const refusal = Object.assign(new Error('read-only'), { code: '25006', severity: 'ERROR' })
    expect(() => runInScope(scope, () => replayOn(refusal))).not.toThrow()
    expect(() => runInScope(scope, () => replayOn(new Error('mine'), () => true))).not.toThrow()
    expect([scope.isSpent, scope.refusal]).toEqual([false, undefined])
  })

  it('P3: isReplay() knows a replay by itself, by its code alone, and by its scope', () => {
    const scope = request()
    const replay = scope.askForReplay(AWAY, 'write')
    expect(isReplay(new Error('query failed', { cause: replay }))).toBe(true)
    expect(isReplay({ name: 'PrismaClientKnownRequestError', code: 'HEADWATER_REPLAY_TO_PRIMARY' })).toBe(true)
    expect(isReplay(new Error('nothing is left of it'))).toBe(false)
    expect(runInScope(scope, () => isReplay(new Error('nothing is left of it')))).toBe(true)
    expect(runInScope(request(), () => isReplay(new ReplayImpossible('at-home')))).toBe(false)
    expect(isReplay()).toBe(false)
  })

  it('P4: forbidReplay() forbids the replay from then on', () => {
    const scope = request()
    void runInScope(scope, () => forbidReplay())
    expect(scope.askForReplay(AWAY, 'write')).toMatchObject({ blocker: 'forbidden', status: 500, retryable: false })
    expect(() => forbidReplay()).not.toThrow()
    const spent = request()
    const replay = spent.askForReplay(AWAY, 'write')
    expect(() => runInScope(spent, () => forbidReplay())).toThrow(replay)
  })

  it('P5: ensurePrimary() replays away from home, and does nothing at home or outside a request', () => {
    expect(() => runInScope(request(), () => ensurePrimary())).toThrow(ReplayToPrimary)
    expect(() => runInScope(request(HOME), () => ensurePrimary())).not.toThrow()
    expect(() => ensurePrimary()).not.toThrow()
    expect(() => runInScope(new Scope({ topology: () => AWAY }), () => ensurePrimary())).not.toThrow()
  })

  it('P5: ensurePrimary() counts as a need for the primary, at home too', () => {
    const [home, away] = [request(HOME), request()]
    expect(home.hasNeededPrimary).toBe(false)
    void runInScope(home, () => ensurePrimary())
    expect(() => runInScope(away, () => ensurePrimary())).toThrow(expect.objectContaining({ reason: 'ensure-primary' }))
    expect([home.hasNeededPrimary, away.hasNeededPrimary, away.replay?.reason]).toEqual([true, true, 'ensure-primary'])
    const obstructed = request()
    obstructed.blockReplay('response-started')
    expect(() => runInScope(obstructed, () => ensurePrimary())).toThrow(ReplayImpossible)
    // It knows no topology, or there is nobody to replay it.
    const scopes = [new Scope({ kind: 'request' }), new Scope({ topology: () => AWAY })]
    for (const scope of scopes) {
      expect(() => runInScope(scope, () => ensurePrimary())).not.toThrow()
      expect(scope.hasNeededPrimary).toBe(false)
    }
  })

  it('P5: a replica or a catalog that is gone or behind does not count as a need for the primary', () => {
    for (const reason of [
      'replica-lost',
      'no-replica',
      'unknown-object',
      'newer-than-catalog',
      'behind',
      'seen-elsewhere',
      'another-timeline',
      'lagging',
    ] as const) {
      const scope = request()
      expect(scope.askForReplay(AWAY, reason)).toBeInstanceOf(ReplayToPrimary)
      expect(scope.hasNeededPrimary).toBe(false)
    }
    const scope = request()
    scope.askForReplay(AWAY, 'refused')
    expect(scope.hasNeededPrimary).toBe(true)
  })

  it('findReplay() looks through ORM wrappers, and ends on a cycle of causes', () => {
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

  it('P4: the first blocker stays, and is the one in the error', () => {
    const scope = request()
    expect(scope.blocker).toBeUndefined()
    scope.blockReplay('forbidden')
    scope.blockReplay('response-started')
    expect(scope.blocker).toBe('forbidden')
    expect(scope.askForReplay(AWAY, 'write')).toMatchObject({ blocker: 'forbidden' })
    const born = new Scope({ kind: 'request', blocker: 'already-replayed' })
    born.blockReplay('forbidden')
    expect(born.blocker).toBe('already-replayed')
    const job = new Scope({ blocker: 'replay-failed' })
    expect([job.kind, job.blocker, new Scope().blocker]).toEqual(['job', 'replay-failed', 'no-request'])
    // At home nothing else speaks against it more.
    expect(scope.askForReplay(HOME, 'write')).toMatchObject({ blocker: 'at-home' })
  })

  it('P4: a replay needs a region to go to, and one to come from', () => {
    for (const regions of [{ region: undefined }, { primaryRegion: undefined }]) {
      const nowhere = { ...AWAY, ...regions }
      const scope = request()
      expect(scope.askForReplay(nowhere, 'write')).toMatchObject({ blocker: 'at-home' })
      expect(scope.replay).toBeUndefined()
    }
  })

  it('P2: the standby’s refusal is the cause of the replay error', () => {
    const cause = new Error('refused')
    expect(request().askForReplay(AWAY, 'refused', cause).cause).toBe(cause)
    expect(request(HOME).askForReplay(HOME, 'refused', cause).cause).toBe(cause)
  })

  it('R7: a replay is published with its blocker or its region', () => {
    const events: unknown[] = []
    const listen = (event: unknown) => void events.push(event)
    const scope = request()
    scope.askForReplay(HOME, 'write')
    diagnostics.replay.subscribe(listen)
    try {
      scope.askForReplay(HOME, 'write')
      scope.askForReplay(AWAY, 'unknown')
      // It is spent: nothing new is asked.
      scope.askForReplay(AWAY, 'session')
    } finally {
      diagnostics.replay.unsubscribe(listen)
    }
    expect(events).toEqual([
      { reason: 'write', blocker: 'at-home', region: undefined, scope: scope.number },
      { reason: 'unknown', blocker: undefined, region: 'ams', scope: scope.number },
    ])
    expect(Object.values(diagnostics).map(({ name }) => name)).toEqual([
      'headwater:route',
      'headwater:query',
      'headwater:replay',
      'headwater:node',
      'headwater:freshness',
      'headwater:unverified',
      'headwater:background',
    ])
  })

  it('R4: a write is noted in the scope’s session; scopes are numbered', () => {
    const [one, two] = [new Scope(), new Scope()]
    expect(two.number).toBe(one.number + 1)
    expect([one.hasWritten, one.session.hasWritten]).toEqual([false, false])
    one.hasWritten = true
    expect([one.hasWritten, one.session.hasWritten, two.hasWritten]).toEqual([true, true, false])
  })

  it('takes its consistency, its session and what to do when no replica has caught up', () => {
    const minPosition = { cluster: 7n, timeline: 1, lsn: toLsn(5n), node: 0 }
    const scope = new Scope({ consistency: 'bounded', whenBehind: 'throw', session: { minPosition } })
    expect([scope.consistency, scope.whenBehind, scope.session.minPosition]).toEqual(['bounded', 'throw', minPosition])
    expect([new Scope().consistency, new Scope().whenBehind, new Scope().session.minPosition]).toEqual([
      undefined,
      'primary',
      undefined,
    ])
    // @ts-expect-error as from JavaScript
    expect(() => new Scope({ consistency: 'sure' })).toThrow(/option consistency: "sure" is not a consistency level/)
  })

  it('R6: withConsistency holds inside, and beside withPrimary and withReplica', async () => {
    expect(withConsistency('strong', () => currentFrame())).toStrictEqual({
      scope: undefined,
      forced: undefined,
      consistency: 'strong',
    })
    const scope = request()
    await runInScope(scope, async () => {
      expect(currentFrame()).toEqual({ scope, forced: undefined, consistency: undefined })
      await withReplica(() =>
        withConsistency('eventual', async () => {
          await Promise.resolve()
          expect(currentFrame()).toEqual({ scope, forced: 'replica', consistency: 'eventual' })
          expect(withPrimary(() => currentFrame())).toEqual({ scope, forced: 'primary', consistency: 'eventual' })
          // A scope of its own begins anew.
          const inner = request()
          expect(runInScope(inner, () => currentFrame())).toEqual({
            scope: inner,
            forced: undefined,
            consistency: undefined,
          })
        }),
      )
      expect(currentFrame()?.consistency).toBeUndefined()
    })
    // @ts-expect-error as from JavaScript
    expect(() => withConsistency('sure', () => 1)).toThrow(/option consistency: "sure" is not a consistency level/)
  })

  it('R6: a result that is not a promise is returned unchanged', () => {
    // biome-ignore lint/suspicious/noThenProperty: what has one that is no function is no promise
    const values = [undefined, null, 0, 'text', { then: 'later' }]
    for (const value of values) expect(withPrimary(() => value)).toBe(value)
  })

  it('R6: a builder that rejects, rejects', async () => {
    // biome-ignore lint/suspicious/noThenProperty: a thenable is what this is about
    const builder = { then: (_resolve: unknown, reject: (error: Error) => void) => reject(new Error('boom')) }
    // A builder's type is a PromiseLike; this is all of it that is called.
    const lazy = builder as unknown as PromiseLike<never>
    await expect(withReplica(() => lazy)).rejects.toThrow('boom')
  })

  it('P5: an early replay spends the scope as any other does, and where a blocker stands it does nothing', () => {
    const scope = request()
    scope.replayEarly(AWAY)
    expect([scope.isSpent, scope.hasNeededPrimary]).toEqual([true, true])
    expect(scope.replayDetails).toMatchObject({ region: 'ams', from: 'nrt', reason: 'route-prior' })
    expect(scope.replay).toMatchObject({ region: 'ams', from: 'nrt', reason: 'route-prior' })
    const blocked = new Scope({ kind: 'request', topology: () => AWAY, blocker: 'already-replayed' })
    blocked.replayEarly(AWAY)
    expect([blocked.isSpent, blocked.refusal, blocked.hasNeededPrimary]).toEqual([false, undefined, false])
  })

  it('P7: a region is a-z, 0-9 and "-"; without a region the instance is at home', () => {
    expect(createTopology({ region: undefined, primaryRegion: 'ams', hasReplica: false }).isAtHome).toBe(true)
    expect(AWAY.isAtHome).toBe(false)
    expect(Object.isFrozen(AWAY)).toBe(true)
  })
})
