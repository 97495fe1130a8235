import { describe, expect, it, vi } from 'vitest'
import {
  ConnectionLost,
  findReplay,
  HeadwaterError,
  OptionsInvalid,
  OutcomeUnknown,
  PrimaryUnavailable,
  type ReplayBlocker,
  ReplayImpossible,
  ReplayToPrimary,
  ReplicaBehind,
  WriteOnReplica,
} from '../src/index.ts'
import { createTopology, errorPrototypes, findInCauses, parseConsistency, parseRegion } from '../src/internal.ts'

const replay = (cause?: unknown) => new ReplayToPrimary({ region: 'ams', from: 'nrt', reason: 'write', cause })

describe('an error of ours', () => {
  it.each([
    [new OptionsInvalid('mode', 'is wrong'), OptionsInvalid, 'OptionsInvalid', 'HEADWATER_OPTIONS_INVALID', false],
    [replay(), ReplayToPrimary, 'ReplayToPrimary', 'HEADWATER_REPLAY_TO_PRIMARY', true],
    [new ReplayImpossible('at-home'), ReplayImpossible, 'ReplayImpossible', 'HEADWATER_REPLAY_IMPOSSIBLE', true],
    [new WriteOnReplica('no'), WriteOnReplica, 'WriteOnReplica', 'HEADWATER_WRITE_ON_REPLICA', false],
    [new ReplicaBehind(), ReplicaBehind, 'ReplicaBehind', 'HEADWATER_REPLICA_BEHIND', true],
    [new ConnectionLost(new Error('x'), true), ConnectionLost, 'ConnectionLost', 'HEADWATER_CONNECTION_LOST', true],
    [new ConnectionLost(new Error('x'), false), ConnectionLost, 'ConnectionLost', 'HEADWATER_CONNECTION_LOST', false],
    [new OutcomeUnknown(new Error('x')), OutcomeUnknown, 'OutcomeUnknown', 'HEADWATER_OUTCOME_UNKNOWN', false],
    [
      new PrimaryUnavailable(new Error('x')),
      PrimaryUnavailable,
      'PrimaryUnavailable',
      'HEADWATER_PRIMARY_UNAVAILABLE',
      true,
    ],
  ] as const)('%s', (error, errorClass, name, code, retryable) => {
    expect(error).toBeInstanceOf(Error)
    expect(error).toBeInstanceOf(HeadwaterError)
    expect(error).toBeInstanceOf(errorClass)
    expect([error.name, error.code, error.retryable]).toEqual([name, code, retryable])
    expect(error.message).toMatch(/^\[headwater\] ./)
    expect(Object.keys(error)).toEqual(expect.arrayContaining(['code', 'retryable']))
    const others = [
      OptionsInvalid,
      ReplayToPrimary,
      ReplayImpossible,
      WriteOnReplica,
      ReplicaBehind,
      PrimaryUnavailable,
      ConnectionLost,
      OutcomeUnknown,
    ]
    for (const other of others) if (other !== errorClass) expect(error).not.toBeInstanceOf(other)
  })

  it('is an instance of its class and of the base, across copies of the package', () => {
    const base = new HeadwaterError('HEADWATER_WRITE_ON_REPLICA', 'no', { retryable: false })
    const brand = Symbol.for('headwater.error.1')
    expect([base.name, Reflect.get(base, brand)]).toEqual(['HeadwaterError', ['HeadwaterError']])
    expect(Reflect.get(new ReplicaBehind(), brand)).toEqual(['HeadwaterError', 'ReplicaBehind'])
  })

  it('an object that only looks like one is not an instance', () => {
    for (const value of [undefined, null, 'x', 42, {}, new Error('x'), { name: 'HeadwaterError' }]) {
      expect(value).not.toBeInstanceOf(HeadwaterError)
    }
    const brand = Symbol.for('headwater.error.1')
    expect({ [brand]: 'HeadwaterError' }).not.toBeInstanceOf(HeadwaterError)
    // As of another copy of this package, of a version that knows more.
    const foreign = { [brand]: ['HeadwaterError', 'WriteOnReplica'] }
    expect(foreign).toBeInstanceOf(HeadwaterError)
    expect(foreign).toBeInstanceOf(WriteOnReplica)
    expect(foreign).not.toBeInstanceOf(ReplicaBehind)
    // Its own is not ours.
    expect({ [brand]: ['Error'] }).toBeInstanceOf(HeadwaterError)
    expect({ [brand]: ['Error'] }).not.toBeInstanceOf(WriteOnReplica)
  })

  it('has its class in the list that all loaded copies share', async () => {
    vi.resetModules()
    const copy = await import('../src/index.ts')
    const shared = Reflect.get(globalThis, Symbol.for('headwater.error.prototypes.1'))
    expect(errorPrototypes()).toBe(shared)
    for (const errorClass of [HeadwaterError, ReplayImpossible, copy.ReplayImpossible, copy.ReplicaBehind]) {
      expect(errorPrototypes().has(errorClass.prototype)).toBe(true)
    }
    expect(copy.ReplayImpossible.prototype).not.toBe(ReplayImpossible.prototype)
    expect(copy.ReplayImpossible.prototype).toBeInstanceOf(ReplayImpossible)
    const descriptor = Object.getOwnPropertyDescriptor(globalThis, Symbol.for('headwater.error.prototypes.1'))
    expect(descriptor?.enumerable).toBe(false)
  })

  it('has a cause when there is one, and its name is on the prototype', () => {
    const cause = new Error('driver')
    expect([replay(cause).cause, new PrimaryUnavailable(cause).cause, new WriteOnReplica('no', cause).cause]).toEqual([
      cause,
      cause,
      cause,
    ])
    expect(new ReplayImpossible('at-home', { cause }).cause).toBe(cause)
    for (const error of [replay(), new WriteOnReplica('no'), new ReplicaBehind(), new ReplayImpossible('at-home')]) {
      expect(Object.hasOwn(error, 'cause')).toBe(false)
    }
    expect(Object.hasOwn(replay(), 'name')).toBe(false)
    const renamed = replay()
    renamed.name = 'Mine'
    expect([renamed.name, replay().name]).toEqual(['Mine', 'ReplayToPrimary'])
    expect(Object.getOwnPropertyDescriptor(ReplayToPrimary.prototype, 'name')).toMatchObject({
      configurable: true,
      writable: true,
    })
  })

  it('says which option is wrong', () => {
    const error = new OptionsInvalid('replicas[0].region', 'is missing')
    expect([error.option, error.message]).toEqual([
      'replicas[0].region',
      '[headwater] option replicas[0].region: is missing',
    ])
  })
})

const NO_STORE = { 'cache-control': 'no-store' }

describe('P4: the status that an HTTP framework answers with', () => {
  it.each<readonly [ReplayBlocker, number]>([
    ['at-home', 503],
    ['no-request', 500],
    ['response-started', 500],
    ['already-replayed', 503],
    ['body-too-large', 413],
    ['forbidden', 500],
    ['replay-failed', 503],
  ])('to the obstacle %s: %i', (blocker, status) => {
    const error = new ReplayImpossible(blocker)
    expect(error).toMatchObject({
      blocker,
      status,
      statusCode: status,
      expose: status === 413,
      retryable: status === 503,
    })
    expect(error.message).toMatch(/cannot be replayed: (?!undefined).{20}/)
    expect(error.headers).toEqual({ ...NO_STORE, ...(status === 503 && { 'retry-after': '1' }) })
  })

  it('P8: Retry-After has the seconds that the app chose', () => {
    expect(new ReplayImpossible('replay-failed', { retryAfterSeconds: 7 }).headers).toEqual({
      ...NO_STORE,
      'retry-after': '7',
    })
    expect(new ReplayImpossible('forbidden', { retryAfterSeconds: 7 }).headers).toEqual(NO_STORE)
  })

  it('P4: a 413 names the request headers that lead to the primary, and no other status does', () => {
    const steering = { 'fly-prefer-region': 'ams' }
    const error = new ReplayImpossible('body-too-large', { steering })
    expect(error.headers).toEqual({ ...NO_STORE, ...steering })
    expect(error.message).toMatch(/ The request headers that lead there: fly-prefer-region: ams\.$/)
    expect(new ReplayImpossible('body-too-large').message).toMatch(/'direct'\.$/)
    expect(new ReplayImpossible('replay-failed', { steering }).headers).not.toHaveProperty('fly-prefer-region')
  })

  it('to a primary that cannot be reached: 503, after a second', () => {
    const error = new PrimaryUnavailable(new Error('connect'))
    expect(error).toMatchObject({
      status: 503,
      statusCode: 503,
      headers: { ...NO_STORE, 'retry-after': '1' },
      expose: false,
    })
  })

  it('is data: core builds no response', () => {
    for (const error of [replay(), new ReplayImpossible('at-home'), new PrimaryUnavailable(new Error('connect'))]) {
      expect(error).not.toHaveProperty('getResponse')
    }
  })

  it('the message of a replay says where the request goes, and why', () => {
    expect(replay().message).toContain('needs the primary in ams (write) and is replayed there from nrt')
  })
})

describe('X6: an answer that was lost', () => {
  it('has the words of the driver, which apps look for, and its error as cause', () => {
    const cause = new Error('Connection terminated unexpectedly')
    for (const error of [
      new ConnectionLost(cause, true),
      new ConnectionLost(cause, false),
      new OutcomeUnknown(cause),
    ]) {
      expect(error.message).toContain(cause.message)
      expect(error.cause).toBe(cause)
      expect(error.expose).toBe(false)
      expect(error.statusCode).toBe(error.status)
    }
    expect(new OutcomeUnknown(undefined).message).toContain('no reason was given')
  })

  it('asks a proxy to come back only when nothing was committed', () => {
    const cause = new Error('x')
    expect(new ConnectionLost(cause, true)).toMatchObject({ status: 503, headers: { ...NO_STORE, 'retry-after': '1' } })
    for (const error of [new ConnectionLost(cause, false), new OutcomeUnknown(cause)]) {
      expect([error.status, error.headers]).toEqual([500, NO_STORE])
    }
  })

  it('can be resolved by who knows how, and is unknown for good otherwise', async () => {
    expect(await new OutcomeUnknown(new Error('x')).resolve()).toBe('unknown')
    const error = new OutcomeUnknown(new Error('x'), async () => 'committed')
    expect(await error.resolve()).toBe('committed')
    expect(Object.keys(error)).not.toContain('ask')
  })
})

describe('P2: errors inside ORM wrappers', () => {
  it.each(['cause', 'originalError', 'driverError', 'parent', 'original', 'meta', 'driverAdapterError'])(
    'is looked into: %s',
    (field) => {
      const error = replay()
      expect(findReplay({ [field]: error })).toBe(error)
      expect(findReplay({ other: error })).toBeUndefined()
    },
  )

  it('the nearest one is found, and none in a value that is not an object', () => {
    const [near, far] = [replay(), replay()]
    expect(findReplay(new AggregateError([{ cause: far }, near]))).toBe(near)
    for (const value of [null, undefined, 'text', 42]) expect(findReplay(value)).toBeUndefined()
  })

  it('each object is looked at once, 32 at most', () => {
    let asked = 0
    const ask = (candidate: object): candidate is Error => {
      asked += 1
      return candidate instanceof RangeError
    }
    const one = { cause: {} }
    findInCauses(Object.assign(new AggregateError([one, one, one]), { cause: one }), ask)
    expect(asked).toBe(3)
    asked = 0
    findInCauses(new AggregateError(Array.from({ length: 100 }, () => ({}))), ask)
    expect(asked).toBe(33)
  })
})

describe('P7: values that an option accepts', () => {
  it.each(['a', 'ams', 'eu-west-1', '0', 'a'.repeat(63)])('the region %s', (region) => {
    expect(parseRegion('region', region)).toBe(region)
  })

  it.each(['', 'AMS', 'a_b', 'a b', 'a;state=x', 'ams\n', 'a'.repeat(64), 42, undefined])('no region: %j', (value) => {
    expect(() => parseRegion('replicas[1].region', value)).toThrow(OptionsInvalid)
    expect(() => parseRegion('replicas[1].region', value)).toThrow(/replicas\[1\]\.region: .*is not a region name/)
  })

  it('a consistency is one of four levels, or undefined', () => {
    for (const word of ['session', 'bounded', 'eventual', 'strong', undefined] as const) {
      expect(parseConsistency('consistency', word)).toBe(word)
    }
    for (const word of ['Strong', '', 'toString', null]) {
      // @ts-expect-error as from JavaScript
      expect(() => parseConsistency('consistency', word)).toThrow(OptionsInvalid)
    }
    // @ts-expect-error as from JavaScript
    expect(() => parseConsistency('reads', 'sure')).toThrow(
      'option reads: "sure" is not a consistency level; expected "session"',
    )
  })

  it('an instance is at home unless both regions are known and differ', () => {
    const isAtHome = (region: string | undefined, primaryRegion: string | undefined) =>
      createTopology({ region, primaryRegion, hasReplica: true }).isAtHome
    expect([isAtHome('ams', 'ams'), isAtHome('nrt', 'ams'), isAtHome(undefined, 'ams')]).toEqual([true, false, true])
    expect([isAtHome('ams', undefined), isAtHome(undefined, undefined)]).toEqual([true, true])
    expect(createTopology({ region: 'nrt', primaryRegion: 'ams', hasReplica: false })).toEqual({
      region: 'nrt',
      primaryRegion: 'ams',
      hasReplica: false,
      isAtHome: false,
    })
  })
})
