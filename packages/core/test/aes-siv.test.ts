import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { AesSiv } from '../src/session/aes-siv.ts'

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ''), 'hex')
const keys = fc.uint8Array({ minLength: 64, maxLength: 64 })
const texts = fc.uint8Array({ minLength: 16, maxLength: 80 })

describe('F3: AES-SIV', () => {
  test('seals the example of RFC 5297, appendix A.2', () => {
    const siv = new AesSiv(hex('7f7e7d7c 7b7a7978 77767574 73727170 40414243 44454647 48494a4b 4c4d4e4f'), [
      hex('00112233 44556677 8899aabb ccddeeff deaddada deaddada ffeeddcc bbaa9988 77665544 33221100'),
      hex('10203040 50607080 90a0'),
      hex('09f91102 9d74e35b d84156c5 635688c0'),
    ])
    const text = Buffer.from('this is some plaintext to encrypt using SIV-AES')
    const sealed = siv.seal(text)
    expect(sealed).toEqual(
      hex(
        '7bdb6e3b 432667eb 06f4d14b ff2fbd0f cb900f2f ddbe4043 26601965 c889bf17 dba77ceb 094fa663 b7a3f748 ba8af829 ea64ad54 4a272e9c 485b62a3 fd5c0d',
      ),
    )
    expect(siv.open(sealed)).toEqual(text)
  })

  test('opens what it has sealed, whatever it did before', () => {
    fc.assert(
      fc.property(keys, fc.array(texts, { minLength: 1 }), (key, all) => {
        const [one, other] = [new AesSiv(key, [Buffer.of(1)]), new AesSiv(key, [Buffer.of(1)])]
        for (const text of all) expect(other.open(one.seal(text))).toEqual(Buffer.from(text))
      }),
    )
  })

  test('opens nothing that was changed, cut, or sealed with another key or context', () => {
    fc.assert(
      fc.property(keys, keys, texts, fc.nat(), fc.integer({ min: 1, max: 255 }), (key, otherKey, text, at, change) => {
        const siv = new AesSiv(key, [Buffer.of(1)])
        const sealed = siv.seal(text)
        const changed = Buffer.from(sealed)
        changed.writeUInt8(changed.readUInt8(at % sealed.length) ^ change, at % sealed.length)
        expect(siv.open(changed)).toBeUndefined()
        expect(siv.open(sealed.subarray(0, -1))).toBeUndefined()
        expect(siv.open(sealed.subarray(0, 31))).toBeUndefined()
        expect(new AesSiv(key, [Buffer.of(2)]).open(sealed)).toBeUndefined()
        expect(new AesSiv(key).open(sealed)).toBeUndefined()
        expect(new AesSiv(otherKey, [Buffer.of(1)]).open(sealed)).toBeUndefined()
      }),
    )
  })
})
