import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Sealer } from '../src/session/sealer.ts'

const keys = fc.uint8Array({ minLength: 64, maxLength: 64 })
const texts = fc.uint8Array({ minLength: 16, maxLength: 80 })

describe('F3: a sealer', () => {
  test('shows nothing but whether two texts are the same', () => {
    fc.assert(
      fc.property(keys, texts, texts, (key, text, otherText) => {
        const sealer = new Sealer(key, Buffer.of(1))
        const [sealed, other] = [sealer.seal(text), sealer.seal(otherText)]
        const isSame = Buffer.compare(text, otherText) === 0
        expect(sealed.equals(other)).toBe(isSame)
        expect(sealer.tag(text).equals(sealer.tag(otherText))).toBe(isSame)
        // Not one block of the key stream is shared.
        if (!isSame) expect(sealed.subarray(0, 16).equals(other.subarray(0, 16))).toBe(false)
        expect(sealed.includes(Buffer.from(text))).toBe(false)
      }),
    )
  })

  // Computed by Python's hmac and `openssl enc -aes-256-ctr`.
  test('has a known answer, so that instances of two releases understand each other', () => {
    const key = Buffer.from(Array.from({ length: 64 }, (_, index) => index))
    const sealed = new Sealer(key, Buffer.of(2)).seal(Buffer.from('a position in the log'))
    expect(sealed.toString('hex')).toBe('62817a322497b1d61acb31633d08fd92889dad768ba833d7e362c5dd5f3dbb97108f056ee4')
  })

  test('opens what it has sealed, whatever it did before', () => {
    fc.assert(
      fc.property(keys, fc.array(texts, { minLength: 1 }), (key, all) => {
        const [one, other] = [new Sealer(key, Buffer.of(1)), new Sealer(key, Buffer.of(1))]
        for (const text of all) expect(other.open(one.seal(text))).toEqual(Buffer.from(text))
      }),
    )
  })

  test('opens nothing that was changed, cut, or sealed with another key or context', () => {
    fc.assert(
      fc.property(keys, keys, texts, fc.nat(), fc.integer({ min: 1, max: 255 }), (key, otherKey, text, at, change) => {
        const sealer = new Sealer(key, Buffer.of(1))
        const sealed = sealer.seal(text)
        const changed = Buffer.from(sealed)
        changed.writeUInt8(changed.readUInt8(at % sealed.length) ^ change, at % sealed.length)
        expect(sealer.open(changed)).toBeUndefined()
        expect(sealer.open(sealed.subarray(0, -1))).toBeUndefined()
        expect(sealer.open(sealed.subarray(0, 16))).toBeUndefined()
        expect(new Sealer(key, Buffer.of(2)).open(sealed)).toBeUndefined()
        expect(new Sealer(key).open(sealed)).toBeUndefined()
        expect(new Sealer(otherKey, Buffer.of(1)).open(sealed)).toBeUndefined()
      }),
    )
  })
})
