import { nodeCrypto } from './node-crypto.ts'

/** An app has one secret, or two while they rotate. */
const MOST_SECRETS = 32
const KEY_BYTES = 64

/**
 * Makes something of the key that each secret gives for one purpose, and remembers it: deriving a key costs more than using it.
 *
 * Every purpose has a key of its own (HKDF-SHA-256, RFC 5869, 64 bytes), so nothing that is made for one purpose is valid for
 * another one.
 */
export function perSecret<Made>(purpose: string, make: (key: Buffer) => Made): (secret: string) => Made {
  const made = new Map<string, Made>()
  return (secret) => {
    const known = made.get(secret)
    if (known !== undefined) return known
    const fresh = make(Buffer.from(nodeCrypto().hkdfSync('sha256', secret, '', `headwater ${purpose}`, KEY_BYTES)))
    if (made.size >= MOST_SECRETS) made.clear()
    made.set(secret, fresh)
    return fresh
  }
}
