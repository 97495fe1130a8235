import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { currentScope, runWithToken } from '../src/index.ts'
import {
  compareFreshness,
  formatLsn,
  isMarkExpired,
  isPosition,
  isReusableAt,
  isSamePosition,
  MAX_TOKENS,
  mergeAllPositions,
  mergePositions,
  NEVER_REACHED,
  parseLsn,
  parseTokens,
  type ReadPosition,
  readToken,
  SEVERAL_NODES,
  signToken,
  type Token,
  tokenName,
  toLsn,
  UNKNOWN_POSITION,
  verifyToken,
} from '../src/internal.ts'

const SECRET = 'a secret of tests'
const OLD_SECRET = 'an older secret of tests'
const NOW = 1_800_000_000_000
const lsns = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(toLsn)
const unsigned32 = fc.integer({ min: 0, max: 0xffff_ffff })

/** Few clusters, timelines and nodes, so that equal ones meet. */
const seen: fc.Arbitrary<ReadPosition> = fc.oneof(
  {
    weight: 9,
    arbitrary: fc.record({
      cluster: fc.constantFrom(7n, 7n, 7n, 8n),
      timeline: fc.integer({ min: 1, max: 3 }),
      lsn: fc.oneof(lsns, fc.bigInt(0n, 3n).map(toLsn)),
      node: fc.constantFrom(0, 0, 11, 12),
    }),
  },
  { weight: 1, arbitrary: fc.constant(UNKNOWN_POSITION) },
)
const tokens: fc.Arbitrary<Token> = fc
  .record({
    cluster: fc.bigInt(0n, 2n ** 64n - 1n),
    timeline: unsigned32,
    lsn: lsns,
    node: unsigned32,
    life: fc.integer({ min: 1, max: 0xffff_ffff }),
  })
  .map(({ life, ...rest }) => ({ ...rest, issuedAt: NOW, expires: NOW + life }))

describe('F3: a token that was opened is kept, opened', () => {
  const secrets = Object.freeze([SECRET])
  const token: Token = { cluster: 7n, timeline: 1, lsn: toLsn(5n), node: 0, issuedAt: NOW, expires: NOW + 1_000 }

  test('and its times are looked at each time', () => {
    const text = signToken(token, secrets)
    expect(readToken(text, secrets, NOW)).toEqual(token)
    expect(readToken(text, secrets, NOW + 999)).toBe(readToken(text, secrets, NOW))
    expect(readToken(text, secrets, NOW + 1_000)).toBe('expired')
    expect(readToken(text, secrets, NOW - 60_001)).toBe('from-the-future')
  })

  test('for its own secrets alone', () => {
    const text = signToken(token, secrets)
    readToken(text, secrets, NOW)
    expect(readToken(text, Object.freeze([OLD_SECRET]), NOW)).toBe('unverified')
    const changing = [SECRET]
    expect(readToken(text, changing, NOW)).toEqual(token)
    changing[0] = OLD_SECRET
    expect(readToken(text, changing, NOW)).toBe('unverified')
  })

  test('and what none of them has sealed is never kept', () => {
    const text = signToken(token, [OLD_SECRET])
    for (let n = 0; n < 2; n += 1) expect(readToken(text, secrets, NOW)).toBe('unverified')
  })

  test('some thousand of them', () => {
    for (let n = 0; n < 10_000; n += 1) {
      const own = { ...token, node: n }
      expect(readToken(signToken(own, secrets), secrets, NOW)).toEqual(own)
    }
  })
})

describe('an LSN', () => {
  test('is a number from 0 to 2^64 - 1', () => {
    expect([toLsn(0n), toLsn(2n ** 64n - 1n)]).toEqual([0n, 2n ** 64n - 1n])
    for (const value of [-1n, 2n ** 64n]) {
      expect(() => toLsn(value)).toThrow(new RangeError(`${value} is not an LSN; expected 0 to 2^64 - 1`))
    }
    expect(NEVER_REACHED).toBe(2n ** 64n - 1n)
  })

  test('is printed in two halves, in capitals', () => {
    expect(formatLsn(toLsn(0x16_b374_d848n))).toBe('16/B374D848')
    expect(formatLsn(toLsn(0xab_0000_000fn))).toBe('AB/F')
    expect(parseLsn('ab/f')).toBe(0xab_0000_000fn)
  })

  test('is parsed as Postgres prints it, and compares as a number', () => {
    fc.assert(fc.property(lsns, (lsn) => void expect(parseLsn(formatLsn(lsn))).toBe(lsn)))
    expect(parseLsn('0/FFFFFFFF') ?? 0n).toBeLessThan(parseLsn('1/0') ?? 0n)
    expect(parseLsn('0/9') ?? 0n).toBeLessThan(parseLsn('0/10') ?? 0n)
    expect(parseLsn('16/B374D848')).toBe(0x16_b374_d848n)
  })

  test.each(['', '/', '0/', '/0', '0/G', '123456789/0', ' 0/0', '0/0\n', '0-0'])(
    'no other text is parsed: %j',
    (text) => {
      expect(parseLsn(text)).toBeUndefined()
    },
  )
})

describe('F3: a token', () => {
  test('is verified unchanged, with the secret that signed it and with each later list that has it', () => {
    fc.assert(
      fc.property(tokens, (token) => {
        const text = signToken(token, [SECRET])
        expect(text).toMatch(/^[A-Za-z0-9_-]{68}$/)
        expect(verifyToken(text, [SECRET], NOW)).toEqual(token)
        expect(verifyToken(text, ['a newer secret of tests', SECRET], NOW)).toEqual(token)
      }),
    )
  })

  test('is ignored when it is forged: one character changed, one lost, one more', () => {
    fc.assert(
      fc.property(tokens, fc.nat(67), fc.constantFrom(...'ABCabc019-_'), (token, index, character) => {
        const text = signToken(token, [SECRET])
        fc.pre(text[index] !== character)
        expect(verifyToken(text.slice(0, index) + character + text.slice(index + 1), [SECRET], NOW)).toBeUndefined()
        expect(verifyToken(text.slice(0, index), [SECRET], NOW)).toBeUndefined()
        expect(verifyToken(text + character, [SECRET], NOW)).toBeUndefined()
      }),
    )
  })

  test('any other text is ignored; nothing throws', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        (text) => void expect(verifyToken(text, [SECRET], NOW)).toBeUndefined(),
      ),
    )
    const random = fc
      .uint8Array({ minLength: 51, maxLength: 51 })
      .map((bytes) => Buffer.from(bytes).toString('base64url'))
    fc.assert(fc.property(random, (text) => void expect(verifyToken(text, [SECRET], NOW)).toBeUndefined()))
    expect(verifyToken(undefined, [SECRET], NOW)).toBeUndefined()
  })

  test('is ignored with another secret, after it expired, and from the future', () => {
    const token: Token = { cluster: 1n, timeline: 1, lsn: toLsn(5n), node: 0, issuedAt: NOW, expires: NOW + 1000 }
    const text = signToken(token, [OLD_SECRET])
    expect(verifyToken(text, [SECRET], NOW)).toBeUndefined()
    expect(verifyToken(text, [OLD_SECRET], NOW + 999)).toEqual(token)
    expect(verifyToken(text, [OLD_SECRET], NOW + 1000)).toBeUndefined()
    expect(verifyToken(text, [OLD_SECRET], NOW - 60_000)).toEqual(token)
    expect(verifyToken(text, [OLD_SECRET], NOW - 60_001)).toBeUndefined()
  })
})

describe('F3: the form of a token', () => {
  const token: Token = { cluster: 1n, timeline: 2, lsn: toLsn(3n), node: 4, issuedAt: NOW, expires: NOW + 1000 }

  const sealed = signToken(token, [SECRET])

  test('of another version is ignored, whatever it says', () => {
    const bytes = Buffer.from(sealed, 'base64url')
    expect(bytes[0]).toBe(2)
    for (let version = 0; version < 256; version++) {
      bytes[0] = version
      const reading = readToken(bytes.toString('base64url'), [SECRET], NOW)
      expect(reading).toEqual(version === 2 ? token : 'ill-formed')
    }
  })

  test('has exactly one spelling', () => {
    const others = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/= ']
    const same = others.filter((last) => verifyToken(sealed.slice(0, -1) + last, [SECRET], NOW) !== undefined)
    expect(same).toEqual([sealed.at(-1)])
  })

  test('P7: what is no token is said by what is known of it', () => {
    const read = (text: string, now = NOW) => readToken(text, [SECRET], now)
    expect(['', 'x', sealed.slice(1), `${sealed}A`, `"${sealed}"`].map((text) => read(text))).toEqual(
      Array(5).fill('ill-formed'),
    )
    expect(read(signToken(token, [OLD_SECRET]))).toBe('unverified')
    expect(read(sealed.slice(0, -1) + (sealed.endsWith('A') ? 'B' : 'A'))).toBe('unverified')
    expect([read(sealed, NOW + 1000), read(sealed, NOW - 60_001)]).toEqual(['expired', 'from-the-future'])
    expect(readToken(sealed, [OLD_SECRET, SECRET], NOW)).toEqual(token)
  })

  test('F3: shows nothing but its version: one bit more in any field changes everything else', () => {
    const changes: readonly Partial<Token>[] = [
      { cluster: 2n },
      { timeline: 3 },
      { lsn: toLsn(4n) },
      { node: 5 },
      { issuedAt: NOW + 1 },
      { expires: NOW + 1001 },
    ]
    const bitsOf = (text: string) => [...Buffer.from(text, 'base64url').subarray(1)]
    for (const change of changes) {
      const [one, other] = [bitsOf(sealed), bitsOf(signToken({ ...token, ...change }, [SECRET]))]
      const differing = one.filter((byte, index) => byte !== other[index]).length
      // Of 50 random bytes, a fifth of a byte is the same on average.
      expect(differing).toBeGreaterThan(44)
    }
  })

  test('F3: the texts of two positions do not compare as the positions do', () => {
    const texts = Array.from({ length: 400 }, (_, n) => signToken({ ...token, lsn: toLsn(BigInt(n)) }, [SECRET]))
    const rising = texts.filter((text, index) => index > 0 && text > (texts[index - 1] ?? '')).length
    // 199.5 on average, with a deviation of 5.8.
    expect(rising).toBeGreaterThan(150)
    expect(rising).toBeLessThan(250)
  })

  test('cannot live less than 0 ms, or more than 49 days', () => {
    const living = (life: number) => () => signToken({ ...token, expires: NOW + life }, [SECRET])
    expect(living(0)).not.toThrow()
    expect(living(0xffff_ffff)).not.toThrow()
    for (const life of [-1, 0x1_0000_0000, Number.NaN]) {
      expect(living(life)).toThrow(new RangeError(`a token cannot live ${life} ms; expected 0 to 2^32 - 1`))
    }
  })

  test('holds whole milliseconds', () => {
    const text = signToken({ ...token, issuedAt: NOW + 0.7, expires: NOW + 10.9 }, [SECRET])
    expect(verifyToken(text, [SECRET], NOW)).toMatchObject({ issuedAt: NOW, expires: NOW + 10 })
  })
})

describe('a list of tokens', () => {
  const numbered = Array.from({ length: 300 }, (_, n) =>
    signToken({ ...UNKNOWN_POSITION, lsn: toLsn(BigInt(n)), issuedAt: NOW, expires: NOW }, [SECRET]),
  )
  const [a = '', b = '', c = ''] = numbered

  test.each([
    [undefined, []],
    ['', []],
    [' , ,', []],
    [a, [a]],
    [`${a},${b}`, [a, b]],
    [` ${a} , ${b},\t${c},`, [a, b, c]],
    [`${a} ${b}`, []],
    [`${a},${a},forged,${b},${a}`, [a, b]],
  ])('%j is %j', (list, texts) => {
    expect(parseTokens(list)).toEqual(texts)
  })

  test('F3: of a longer list the last 256 that have the form of one count', () => {
    expect(MAX_TOKENS).toBe(256)
    expect(parseTokens(numbered.join())).toEqual(numbered.slice(300 - 256))
  })

  test('P7: nothing that is no token pushes one out', () => {
    const junk = fc.array(fc.oneof(fc.string({ unit: 'binary' }), fc.constant('x')), { maxLength: 400, size: 'max' })
    fc.assert(
      fc.property(junk, junk, (before, behind) => {
        expect(parseTokens([...before, a, ...behind].join())).toEqual([a])
      }),
    )
  })
})

test('F1: a job that runs with several tokens sees what each of them has seen', async () => {
  const tokenOf = (lsn: bigint, node = 0): string => {
    const now = Date.now()
    return signToken({ cluster: 7n, timeline: 1, lsn: toLsn(lsn), node, issuedAt: now, expires: now + 60_000 }, [
      SECRET,
    ])
  }
  const floorOf = (list: string): Promise<ReadPosition | undefined> =>
    runWithToken(list, async () => currentScope()?.session.minPosition, { secret: SECRET })
  expect(await floorOf(tokenOf(5n))).toMatchObject({ lsn: 5n, node: 0 })
  expect(await floorOf(`${tokenOf(5n, 3)}, forged, ${tokenOf(9n)},${tokenOf(4n)}`)).toMatchObject({ lsn: 9n, node: 3 })
  expect(await floorOf('forged, ')).toBeUndefined()
})

describe('the name of a token', () => {
  const nameOf = (token: Token): string => tokenName(token, [SECRET])

  test('is the same for the same position, whenever it was seen, and differs for another position', () => {
    const later = fc.integer({ min: 0, max: 1e9 })
    fc.assert(
      fc.property(tokens, tokens, later, (left, right, time) => {
        const position = { ...left, node: 0 }
        expect(nameOf(position)).toMatch(/^[\w-]{8}$/)
        expect(nameOf({ ...position, issuedAt: NOW + time, expires: 0 })).toBe(nameOf(position))
        expect(nameOf(position) === nameOf({ ...right, node: 0 })).toBe(isSamePosition(position, { ...right, node: 0 }))
      }),
    )
  })

  test('differs when any field differs', () => {
    const token: Token = { cluster: 7n, timeline: 1, lsn: toLsn(5n), node: 3, issuedAt: NOW, expires: NOW + 60_000 }
    const changes = [{}, { cluster: 8n }, { timeline: 2 }, { lsn: toLsn(6n) }, { node: 4 }]
    expect(new Set(changes.map((change) => nameOf({ ...token, ...change }))).size).toBe(changes.length)
  })

  test('F5: a mark has another name in each window of 100 ms, and expires at the next but one', () => {
    const at = (issuedAt: number, node = 3): Token => {
      return { cluster: 7n, timeline: 1, lsn: toLsn(5n), node, issuedAt, expires: NOW + 60_000 }
    }
    expect([isPosition(at(NOW)), isPosition(at(NOW, 0))]).toEqual([false, true])
    expect(nameOf(at(NOW + 99))).toBe(nameOf(at(NOW)))
    expect(nameOf(at(NOW + 100))).not.toBe(nameOf(at(NOW)))
    expect(nameOf(at(NOW))).not.toBe(nameOf(at(NOW, 0)))
    expect([isReusableAt(at(NOW), NOW + 99), isReusableAt(at(NOW + 99), NOW)]).toEqual([true, true])
    expect([isReusableAt(at(NOW + 99), NOW + 100), isReusableAt(at(NOW, 0), NOW + 100)]).toEqual([false, true])
    // Read at its end by a clock that is 100 ms late.
    expect([isMarkExpired(at(NOW), NOW + 199), isMarkExpired(at(NOW + 99), NOW + 199)]).toEqual([false, false])
    expect([isMarkExpired(at(NOW), NOW + 200), isMarkExpired(at(NOW + 99), NOW + 200)]).toEqual([true, true])
  })

  test('F2: an unknown position has another name for each response', () => {
    const at = (issuedAt: number): Token => ({ ...UNKNOWN_POSITION, issuedAt, expires: NOW + 60_000 })
    expect(nameOf(at(NOW + 1))).not.toBe(nameOf(at(NOW)))
    expect([isPosition(at(NOW)), isReusableAt(at(NOW), NOW), isMarkExpired(at(NOW), NOW)]).toEqual([false, false, true])
  })

  test('F3: is keyed, so that nobody can search for the position in it', () => {
    fc.assert(
      fc.property(tokens, (token) => {
        expect(tokenName(token, [SECRET, OLD_SECRET])).toBe(nameOf(token))
        expect(tokenName(token, [OLD_SECRET])).not.toBe(nameOf(token))
      }),
    )
  })
})

describe('what was seen', () => {
  const at: ReadPosition = { cluster: 7n, timeline: 2, lsn: toLsn(10n), node: 11 }

  test('is the same when every field is', () => {
    expect(isSamePosition(at, { ...at })).toBe(true)
    for (const change of [{ cluster: 8n }, { timeline: 3 }, { lsn: toLsn(11n) }, { node: 12 }]) {
      expect(isSamePosition(at, { ...at, ...change })).toBe(false)
      expect(isSamePosition({ ...at, ...change }, at)).toBe(false)
    }
  })

  test('F5, F7: merges to the later one of one history, with the node of both', () => {
    const later = { ...at, lsn: toLsn(20n) }
    const promoted = { ...at, timeline: 3, lsn: toLsn(1n) }
    expect(mergePositions(at, later)).toEqual(later)
    expect(mergePositions(later, promoted)).toEqual(promoted)
    expect(mergePositions(at, { ...later, node: 0 })).toEqual(later)
    expect(mergePositions({ ...at, node: 0 }, later)).toEqual(later)
    expect(mergePositions(at, { ...later, node: 12 })).toEqual({ ...later, node: SEVERAL_NODES })
    expect(mergePositions(at, { ...later, cluster: 8n })).toBe(UNKNOWN_POSITION)
    expect(Object.isFrozen(UNKNOWN_POSITION)).toBe(true)
  })

  test('merges to a maximum, in any order and any number of times', () => {
    fc.assert(
      fc.property(
        seen,
        seen,
        (left, right) => void expect(mergePositions(left, right)).toEqual(mergePositions(right, left)),
      ),
    )
    fc.assert(fc.property(seen, (one) => void expect(mergePositions(one, one)).toEqual(one)))
    fc.assert(
      fc.property(seen, seen, seen, (a, b, c) => {
        expect(mergePositions(mergePositions(a, b), c)).toEqual(mergePositions(a, mergePositions(b, c)))
      }),
    )
  })

  test('any number of positions merge', () => {
    expect(mergeAllPositions([])).toBeUndefined()
    fc.assert(
      fc.property(fc.array(seen, { minLength: 1 }), (all) => {
        const [first = UNKNOWN_POSITION, ...others] = all
        let merged = first
        for (const other of others) merged = mergePositions(other, merged)
        expect(mergeAllPositions(all)).toEqual(merged)
      }),
    )
  })

  test('F1, F5: a replica that has caught up with a merged position has caught up with each part', () => {
    fc.assert(
      fc.property(seen, seen, seen, (left, right, replica) => {
        fc.pre(replica.node !== 0 && replica.timeline === left.timeline && replica.timeline === right.timeline)
        if (compareFreshness(replica, mergePositions(left, right)) !== 'caught-up') return
        expect([compareFreshness(replica, left), compareFreshness(replica, right)]).toEqual(['caught-up', 'caught-up'])
      }),
    )
  })

  test('F7: is never caught up with on a replica of another timeline or cluster', () => {
    const state: ReadPosition = { cluster: 7n, timeline: 2, lsn: toLsn(1000n), node: 11 }
    expect(compareFreshness(state, { ...state, node: 0, timeline: 1, lsn: toLsn(5n) })).toBe('another-timeline')
    expect(compareFreshness(state, { ...state, node: 0, cluster: 8n })).toBe('another-timeline')
    // It has not followed the promotion yet.
    expect(compareFreshness(state, { ...state, node: 0, timeline: 3, lsn: toLsn(5n) })).toBe('behind')
    expect(compareFreshness(undefined, state)).toBe('behind')
    expect(compareFreshness(state, UNKNOWN_POSITION)).toBe('seen-elsewhere')
    expect(compareFreshness(undefined, UNKNOWN_POSITION)).toBe('seen-elsewhere')
    // It has more of an older history: nobody can tell.
    expect(compareFreshness(state, { ...state, node: 0, timeline: 3, lsn: toLsn(1n) })).toBe('behind')
    expect(compareFreshness(state, { ...state, node: SEVERAL_NODES })).toBe('seen-elsewhere')
    expect(compareFreshness(state, { ...state, node: 0 })).toBe('caught-up')
    expect(compareFreshness(state, { ...state, lsn: toLsn(999n) })).toBe('caught-up')
    expect(compareFreshness(state, { ...state, node: 12 })).toBe('seen-elsewhere')
    expect(compareFreshness(state, state)).toBe('caught-up')
    expect(compareFreshness(state, { ...state, lsn: toLsn(1001n) })).toBe('behind')
  })
})
