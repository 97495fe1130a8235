import { afterEach, describe, expect, test, vi } from 'vitest'
import { currentScope, getToken, OptionsInvalid, runInScope, runWithToken, Scope } from '../src/index.ts'
import {
  currentFrame,
  type Position,
  parseSecrets,
  signToken,
  TOKEN_TTL_MILLIS,
  toLsn,
  verifyToken,
} from '../src/internal.ts'

const SECRET = 'a secret of tests'
const AT: Position = { cluster: 7n, timeline: 1, lsn: toLsn(20n) }

/** A scope that has written, and whose COMMIT has brought its position along. */
function wrote(): Scope {
  const scope = new Scope()
  scope.session.writeSent({ whereIsPrimary: async () => AT })
  scope.session.writeEnded()
  return scope
}

afterEach(() => {
  vi.unstubAllEnvs()
  vi.useRealTimers()
})

describe('F1: getToken', () => {
  test('stands for what the scope has written, and is valid for a minute', async () => {
    const before = Date.now()
    const text = await runInScope(wrote(), () => getToken({ secret: SECRET }))
    const token = verifyToken(text, [SECRET], Date.now())
    expect(token).toMatchObject({ ...AT, node: 0 })
    expect(token?.issuedAt).toBeGreaterThanOrEqual(before)
    expect((token?.expires ?? 0) - (token?.issuedAt ?? 0)).toBe(60_000)
    expect(TOKEN_TTL_MILLIS).toBe(60_000)
  })

  test('is valid for as long as the app says', async () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    for (const timeToLiveMillis of [1, 5000, 0xffff_ffff]) {
      const text = await runInScope(wrote(), () => getToken({ secret: SECRET, timeToLiveMillis }))
      const token = verifyToken(text, [SECRET], Date.now())
      expect((token?.expires ?? 0) - (token?.issuedAt ?? 0)).toBe(timeToLiveMillis)
    }
    for (const timeToLiveMillis of [0, -1, 1.5, 0x1_0000_0000, Number.NaN]) {
      const refused = getToken({ secret: SECRET, timeToLiveMillis })
      await expect(refused).rejects.toThrow(`option timeToLiveMillis: ${timeToLiveMillis} is not a valid time`)
      await expect(refused).rejects.toMatchObject({ option: 'timeToLiveMillis' })
    }
  })

  test('is undefined outside a scope, and when nothing was seen', async () => {
    expect(await getToken({ secret: SECRET })).toBeUndefined()
    expect(await runInScope(new Scope(), () => getToken({ secret: SECRET }))).toBeUndefined()
  })

  test('is signed with the first secret; by default with HEADWATER_SECRET', async () => {
    vi.stubEnv('HEADWATER_SECRET', 'the environment says it')
    const of = (options?: { secret: string[] }) => runInScope(wrote(), () => getToken(options))
    expect(verifyToken(await of(), ['the environment says it'], Date.now())).toBeDefined()
    const several = await of({ secret: [SECRET, 'an older secret of tests'] })
    expect(verifyToken(several, [SECRET], Date.now())).toBeDefined()
    expect(verifyToken(several, ['an older secret of tests'], Date.now())).toBeUndefined()
  })

  test('needs a secret', async () => {
    vi.stubEnv('HEADWATER_SECRET', undefined)
    await expect(getToken()).rejects.toThrow(OptionsInvalid)
    expect(() => runWithToken(undefined, async () => 1)).toThrow(OptionsInvalid)
  })
})

describe('F1: runWithToken', () => {
  const tokenAt = (now: number) => signToken({ ...AT, node: 0, issuedAt: now, expires: now + 60_000 }, [SECRET])

  test('opens a scope of its own that starts from the token’s position', async () => {
    const outer = new Scope()
    await runInScope(outer, () =>
      runWithToken(
        tokenAt(Date.now()),
        async () => {
          expect(currentScope()).not.toBe(outer)
          expect(currentScope()).toMatchObject({ kind: 'job', whenBehind: 'primary', blocker: 'no-request' })
          expect(currentScope()?.session).toMatchObject({ minPosition: { ...AT, node: 0 }, isTracked: true })
          expect(currentFrame()?.forced).toBeUndefined()
        },
        { secret: SECRET },
      ),
    )
    expect.assertions(4)
  })

  test('F3: a token that is missing, forged or expired is ignored', async () => {
    for (const token of [undefined, '', 'forged', tokenAt(Date.now() - 60_001)]) {
      const minPosition = await runWithToken(token, async () => currentScope()?.session.minPosition, { secret: SECRET })
      expect(minPosition).toBeUndefined()
    }
  })

  test.each([
    [undefined, 'primary', undefined],
    ['sticky', 'primary', undefined],
    ['delayed', 'throw', undefined],
    ['always', 'primary', 'primary'],
  ] as const)('level %s', async (level, whenBehind, forced) => {
    const options = level === undefined ? { secret: SECRET } : { secret: SECRET, level }
    const seen = await runWithToken(
      undefined,
      async () => [currentScope()?.whenBehind, currentFrame()?.forced],
      options,
    )
    expect(seen).toEqual([whenBehind, forced])
  })

  test('another level is refused at once', () => {
    // @ts-expect-error as from JavaScript
    const run = () => runWithToken(undefined, async () => 1, { secret: SECRET, level: 'never' })
    expect(run).toThrow('[headwater] option level: "never" is unknown; expected "sticky", "delayed" or "always"')
    expect(run).toThrow(expect.objectContaining({ option: 'level' }))
  })
})

describe('F3: secrets', () => {
  test('are one or several strings of 16 characters or more', () => {
    expect(parseSecrets('1234567890123456')).toEqual(['1234567890123456'])
    expect(parseSecrets([SECRET, '1234567890123456'])).toEqual([SECRET, '1234567890123456'])
    expect(Object.isFrozen(parseSecrets(SECRET))).toBe(true)
  })

  test.each([[undefined], [''], [[]], [[undefined]], [['']]])('%j is none', (secret) => {
    expect(() => parseSecrets(secret)).toThrow(/option secret: is missing; set HEADWATER_SECRET/)
  })

  test.each([['123456789012345'], [42], [null], [[SECRET, 'short']], [[SECRET, 42]], [[SECRET, '']]])(
    '%j is too short, or no text, and is not shown',
    (secret) => {
      expect(() => parseSecrets(secret)).toThrow(/option secret: expected strings of 16 characters or more; set/)
      expect(() => parseSecrets(secret)).toThrow(expect.objectContaining({ option: 'secret' }))
      expect(() => parseSecrets(secret)).not.toThrow(/12345|short/)
    },
  )
})
