import { type Cipheriv, createCipheriv, timingSafeEqual } from 'node:crypto'

const BLOCK = 16
/** The length of the tag before a sealed text, in bytes: it starts the key stream, and proves that nobody changed the text. */
export const SIV_TAG_BYTES: number = BLOCK

/**
 * AES-SIV (RFC 5297): authenticated encryption that needs no nonce. The same text is sealed to the same bytes, and that is all
 * that it shows. So processes that share a key need not agree on anything, and no clock or random source can break it.
 *
 * node:crypto has no such mode, so it is here, over its AES. Each key's cipher stays open, in ECB without padding, which is
 * AES on single blocks: opening one costs more than all that is done with it.
 *
 * Texts have 16 bytes or more; the RFC has another branch for shorter ones.
 */
export class AesSiv {
  readonly #mac: Cipheriv
  readonly #stream: Cipheriv
  /** What CMAC adds to a complete last block, and to an incomplete one. */
  readonly #complete: Buffer
  readonly #incomplete: Buffer
  /** S2V of the context: the same for every text. */
  readonly #prefix: Buffer

  /**
   * `key` has 32, 48 or 64 bytes: the first half authenticates, the second one encrypts. `context` is authenticated with every
   * text, and is not part of it.
   */
  constructor(key: Uint8Array, context: readonly Uint8Array[] = []) {
    this.#mac = openBlockCipher(key.subarray(0, key.length / 2))
    this.#stream = openBlockCipher(key.subarray(key.length / 2))
    this.#complete = double(this.#mac.update(Buffer.alloc(BLOCK)))
    this.#incomplete = double(this.#complete)
    let prefix = this.#cmac(Buffer.alloc(BLOCK))
    for (const part of context) {
      prefix = double(prefix)
      mix(prefix, this.#cmac(part), 0)
    }
    this.#prefix = prefix
  }

  /** A keyed fingerprint of 16 bytes (S2V, section 2.4). */
  tag(text: Uint8Array): Buffer {
    const mixed = Buffer.from(text)
    mix(mixed.subarray(-BLOCK), this.#prefix, 0)
    return this.#cmac(mixed)
  }

  /** The tag, and behind it the text, encrypted. */
  seal(text: Uint8Array): Buffer {
    const tag = this.tag(text)
    const sealed = Buffer.allocUnsafe(BLOCK + text.length)
    sealed.set(tag)
    sealed.set(this.#encrypt(tag, text), BLOCK)
    return sealed
  }

  /** The text that was sealed with this key and context; `undefined` for all other bytes. */
  open(sealed: Uint8Array): Buffer | undefined {
    if (sealed.length < 2 * BLOCK) return undefined
    const tag = sealed.subarray(0, BLOCK)
    const text = this.#encrypt(tag, sealed.subarray(BLOCK))
    return timingSafeEqual(tag, this.tag(text)) ? text : undefined
  }

  /** Counter mode from the tag on, with two of its bits cleared (section 2.6); its own inverse. */
  #encrypt(tag: Uint8Array, text: Uint8Array): Buffer {
    const counters = Buffer.allocUnsafe(Math.ceil(text.length / BLOCK) * BLOCK)
    for (let start = 0; start < counters.length; start += BLOCK) {
      counters.set(tag, start)
      counters.writeUInt32BE(counters.readUInt32BE(start + 8) & 0x7fff_ffff, start + 8)
      // Bit 31 is clear, so the sum stays below 2^32: a text has a few blocks.
      const counter = counters.readUInt32BE(start + 12) & 0x7fff_ffff
      counters.writeUInt32BE(counter + start / BLOCK, start + 12)
    }
    const encrypted = this.#stream.update(counters).subarray(0, text.length)
    mix(encrypted, text, 0)
    return encrypted
  }

  /** AES-CMAC (RFC 4493). */
  #cmac(text: Uint8Array): Buffer {
    const last = Math.max(Math.ceil(text.length / BLOCK) - 1, 0) * BLOCK
    let state: Buffer = Buffer.alloc(BLOCK)
    for (let start = 0; start < last; start += BLOCK) {
      mix(state, text, start)
      state = this.#mac.update(state)
    }
    const rest = text.length - last
    mix(state, rest === BLOCK ? this.#complete : this.#incomplete, 0)
    mix(state, text, last)
    if (rest !== BLOCK) mix(state, END, BLOCK - 1 - rest)
    return this.#mac.update(state)
  }
}

/** The bit that ends an incomplete block, with room to slide. */
const END = Buffer.concat([Buffer.alloc(BLOCK - 1), Buffer.of(0x80), Buffer.alloc(BLOCK - 1)])

function openBlockCipher(key: Uint8Array): Cipheriv {
  return createCipheriv(`aes-${key.length * 8}-ecb`, key, null).setAutoPadding(false)
}

/** Doubles in the field of 2^128 elements (section 2.3). */
function double(block: Uint8Array): Buffer {
  const doubled = Buffer.alloc(BLOCK)
  for (let index = 0; index < BLOCK; index++) {
    doubled[index] = ((block[index] ?? 0) << 1) | ((block[index + 1] ?? 0) >> 7)
  }
  const carry = ((block[0] ?? 0) >> 7) * 0x87
  doubled[BLOCK - 1] = (doubled[BLOCK - 1] ?? 0) ^ carry
  return doubled
}

/** Adds what `text` has from `start` on to `target` (exclusive or), as far as both go. */
function mix(target: Uint8Array, text: Uint8Array, start: number): void {
  const length = Math.min(target.length, text.length - start)
  for (let index = 0; index < length; index++) target[index] = (target[index] ?? 0) ^ (text[start + index] ?? 0)
}
