/** A cookie of ours, and which paths it is sent to. */
export interface Cookie {
  readonly name: string
  readonly value: string
  readonly path: string
  /** How long the browser keeps it; 0 deletes it. */
  readonly maxAgeSeconds: number
  readonly isSecure: boolean
}

/** 48 bits in base64url. */
const SUFFIX = /^[A-Za-z0-9_-]{8}$/

const SEPARATOR = /[;,]/

/** Browsers take a cookie with one of these prefixes only when it is Secure (RFC 6265bis, section 4.1.3). */
const SECURE_PREFIX = /^__(?:Secure|Host|Http)-/i

/**
 * Finds the cookies named `<name>.<8 characters of base64url>` in a `Cookie` header (RFC 6265, section 4.2.1), in its order.
 * A comma separates too: some proxies fold two `Cookie` headers into one with it.
 *
 * Returns all of them, even if one name comes twice. Values are not decoded.
 */
export function readCookies(header: string | undefined, name: string): readonly Pick<Cookie, 'name' | 'value'>[] {
  if (header === undefined || !header.includes(name)) return []
  const found: Pick<Cookie, 'name' | 'value'>[] = []
  for (const pair of header.split(SEPARATOR)) {
    const at = pair.indexOf('=')
    if (at === -1) continue
    const own = pair.slice(0, at).trim()
    if (!own.startsWith(`${name}.`) || !SUFFIX.test(own.slice(name.length + 1))) continue
    found.push({ name: own, value: pair.slice(at + 1).trim() })
  }
  return found
}

/** The `Set-Cookie` of a cookie: hidden from scripts, not sent from other sites' forms. Its value must need no quotes. */
export function formatCookie({ name, value, path, maxAgeSeconds, isSecure }: Cookie): string {
  const cookie = `${name}=${value}; Path=${path}; Max-Age=${maxAgeSeconds}; HttpOnly; SameSite=Lax`
  return isSecure || SECURE_PREFIX.test(name) ? `${cookie}; Secure` : cookie
}
