import type { CarriedText } from './carried-tokens.ts'

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

const SEMICOLON = 0x3b
const COMMA = 0x2c

/** Browsers take a cookie with one of these prefixes only when it is Secure (RFC 6265bis, section 4.1.3). */
const SECURE_PREFIX = /^__(?:Secure|Host|Http)-/i

/**
 * Finds the cookies named `<name>.<8 characters of base64url>` in a `Cookie` header (RFC 6265, section 4.2.1), in its order.
 * A comma separates too: some proxies fold two `Cookie` headers into one with it.
 *
 * Returns all of them, even if one name comes twice. Values are not decoded.
 */
export function readCookies(header: string | undefined, name: string): readonly CarriedText[] {
  if (header === undefined) return NONE
  const prefix = `${name}.`
  let at = header.indexOf(prefix)
  if (at === -1) return NONE
  let comma = indexOrEnd(header, ',', 0)
  const found: CarriedText[] = []
  // Looks at the pairs that hold the name, and not at the app's own cookies.
  while (at !== -1) {
    const start = startOfPair(header, at)
    if (comma < at) comma = indexOrEnd(header, ',', at)
    const end = Math.min(comma, indexOrEnd(header, ';', at))
    const equals = header.indexOf('=', start)
    if (equals !== -1 && equals < end) {
      const own = header.slice(start, equals).trim()
      if (own.length === prefix.length + 8 && own.startsWith(prefix) && SUFFIX.test(own.slice(prefix.length))) {
        found.push({ key: own, text: header.slice(equals + 1, end).trim() })
      }
    }
    at = header.indexOf(prefix, end)
  }
  return found
}

const NONE: readonly never[] = Object.freeze([])

function startOfPair(header: string, within: number): number {
  let start = within
  while (start > 0 && !isSeparator(header.charCodeAt(start - 1))) start -= 1
  return start
}

function indexOrEnd(header: string, separator: string, from: number): number {
  const at = header.indexOf(separator, from)
  return at === -1 ? header.length : at
}

function isSeparator(code: number): boolean {
  return code === SEMICOLON || code === COMMA
}

/** The `Set-Cookie` of a cookie: hidden from scripts, not sent from other sites' forms. Its value must need no quotes. */
export function formatCookie({ name, value, path, maxAgeSeconds, isSecure }: Cookie): string {
  const cookie = `${name}=${value}; Path=${path}; Max-Age=${maxAgeSeconds}; HttpOnly; SameSite=Lax`
  return isSecure || SECURE_PREFIX.test(name) ? `${cookie}; Secure` : cookie
}
