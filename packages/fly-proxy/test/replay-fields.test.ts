import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseDuration } from '../src/replay/duration.ts'
import { formatReplayFields, parseReplayFields } from '../src/replay/fields.ts'
import { InvalidReplayError } from '../src/replay/invalid-replay-error.ts'

const read = (text: string): Record<string, string> => Object.fromEntries(parseReplayFields(text))

describe('1.1: fly-replay = pair *( OWS ";" OWS pair ), pair = key "=" ( token / quoted-string )', () => {
  it('1.1: the example of the documentation', () => {
    expect(read('region=ord;state=captured_write;timeout=10s;fallback=prefer_self')).toEqual({
      region: 'ord',
      state: 'captured_write',
      timeout: '10s',
      fallback: 'prefer_self',
    })
  })

  it('1.1: space after ";": emit none, accept both', () => {
    expect(read('region=ord; \t state=x')).toEqual({ region: 'ord', state: 'x' })
    expect(
      formatReplayFields([
        ['region', 'ord'],
        ['state', 'x'],
      ]),
    ).toBe('region=ord;state=x')
  })

  it('1.1: comma lists MUST be double-quoted', () => {
    expect(read('region="iad,ord,us"')).toEqual({ region: 'iad,ord,us' })
    expect(() => read('region=iad,ord')).toThrow(InvalidReplayError)
    expect(() => parseReplayFields('region=iad,ord', 'any')).toThrow(InvalidReplayError)
  })

  it('1.1: the two samples with "," between fields are wrong', () => {
    expect(() => read('region=ord,state=x')).toThrow(/quotes/)
  })

  it.each([
    '',
    ' ',
    ';',
    'region',
    'region=',
    '=ord',
    'region=ord;',
    ';region=ord',
    'region=ord;;state=x',
    'region="ord',
    'region=ord;region=ams',
    'region = ord',
    'region=or d',
    'region="a\u0000b"',
    'region=é',
  ])('1.1: %j is refused', (text) => {
    expect(() => read(text)).toThrow(InvalidReplayError)
  })

  it('1.1: an unquoted value beyond a token needs unquotedValues "any"', () => {
    expect(() => read('state=a/b=')).toThrow(InvalidReplayError)
    expect(Object.fromEntries(parseReplayFields('state=a/b=;region=ord', 'any'))).toEqual({
      state: 'a/b=',
      region: 'ord',
    })
  })

  it('1.1: any text is parsed or refused with InvalidReplayError, in linear time', () => {
    const piece = fc.constantFrom('region', '=', ';', '"', '\\', ' ', ',', 'ord', '\t', 'é', '\n', 'state')
    const text = fc.oneof(
      fc.string(),
      fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join('')),
    )
    fc.assert(
      fc.property(text, fc.constantFrom('token' as const, 'any' as const), (input, values) => {
        try {
          for (const value of parseReplayFields(input, values).values()) expect(value).not.toMatch(/[\r\n\0]/)
        } catch (error) {
          expect(error).toBeInstanceOf(InvalidReplayError)
        }
      }),
    )
    expect(() => read(`region="${'\\'.repeat(100_001)}`)).toThrow(InvalidReplayError)
  })

  it('1.1: what is formatted is parsed again to the same', () => {
    const key = fc.stringMatching(/^[a-z_-]{1,12}$/)
    const value = fc.oneof(fc.stringMatching(/^[\t\x20-\x7e]{0,40}$/), fc.base64String())
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.tuple(key, value), { minLength: 1, maxLength: 6, selector: ([name]) => name }),
        (fields) => {
          expect([...parseReplayFields(formatReplayFields(fields))]).toEqual(fields)
        },
      ),
    )
  })
})

describe('1.1: timeout is 10s or 800ms; 1.10: bad duration (unit required)', () => {
  it.each([
    ['10s', 10_000],
    ['800ms', 800],
    ['2m', 120_000],
    ['1h', 3_600_000],
    ['999999999h', 2 ** 31 - 1],
  ])('%s', (text, ms) => {
    expect(parseDuration(text)).toBe(ms)
  })

  it.each(['10', 's', '', '0s', '-1s', '1.5s', '10 s', '10S', '10s ', '1e3s', '10sec', '9'.repeat(30)])(
    '%j is refused',
    (text) => {
      expect(() => parseDuration(text)).toThrow(InvalidReplayError)
    },
  )

  it('1.10: any text is a duration or refused with InvalidReplayError', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          expect(parseDuration(text)).toBeGreaterThan(0)
        } catch (error) {
          expect(error).toBeInstanceOf(InvalidReplayError)
        }
      }),
    )
  })
})
