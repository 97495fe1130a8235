import type { KeyObject } from 'node:crypto'
import { nodeCrypto } from './node-crypto.ts'

/** The length of the tag before a sealed text, in bytes: it starts the key stream, and proves that nobody changed the text. */
export const TAG_BYTES = 16

/**
 * Authenticated encryption that needs no nonce: the tag of a text is the IV of its encryption. The same text is sealed to the same
 * bytes, and that is all that it shows. So processes that share a key need not agree on anything, and no clock or random source
 * can break it.
 *
 * This is SIV by Rogaway and Shrimpton ("Deterministic Authenticated-Encryption", 2006), as in RFC 5297, with HMAC-SHA-256 in the
 * place of AES-CMAC and AES-256 in counter mode, both by node:crypto.
 */
export class Sealer {
  // Node copies the bytes of a key each time; a KeyObject is copied once, which makes this several times as fast.
  readonly #macKey: KeyObject
  readonly #cipherKey: KeyObject
  readonly #context: Uint8Array

  /** `key` has 64 bytes: the first half authenticates, the second one encrypts. `context` is authenticated with every text. */
  constructor(key: Uint8Array, context: Uint8Array = new Uint8Array()) {
    const { createSecretKey } = nodeCrypto()
    this.#macKey = createSecretKey(key.subarray(0, 32))
    this.#cipherKey = createSecretKey(key.subarray(32, 64))
    // With its length, so that no text reads as a part of it.
    this.#context = Buffer.concat([Buffer.of(context.length), context])
  }

  /** A keyed fingerprint of 16 bytes. */
  tag(text: Uint8Array): Buffer {
    return nodeCrypto()
      .createHmac('sha256', this.#macKey)
      .update(this.#context)
      .update(text)
      .digest()
      .subarray(0, TAG_BYTES)
  }

  /** The tag, and behind it the text, encrypted. */
  seal(text: Uint8Array): Buffer {
    const tag = this.tag(text)
    return Buffer.concat([tag, this.#encrypt(tag, text)])
  }

  /** The text that was sealed with this key and context; `undefined` for all other bytes. */
  open(sealed: Uint8Array): Buffer | undefined {
    if (sealed.length <= TAG_BYTES) return undefined
    const tag = sealed.subarray(0, TAG_BYTES)
    const text = this.#encrypt(tag, sealed.subarray(TAG_BYTES))
    return nodeCrypto().timingSafeEqual(tag, this.tag(text)) ? text : undefined
  }

  /** Counter mode: its own inverse. */
  #encrypt(tag: Uint8Array, text: Uint8Array): Buffer {
    return nodeCrypto().createCipheriv('aes-256-ctr', this.#cipherKey, tag).update(text)
  }
}
