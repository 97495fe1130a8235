/** A cookie of ours, and where it goes. */
export interface Cookie {
  readonly name: string
  readonly value: string
  readonly path: string
  /** How long it is kept, in seconds; 0 takes it away. */
  readonly maxAge: number
  readonly isSecure: boolean
}

/** 48 bits in base64url. */
const SUFFIX = /^[A-Za-z0-9_-]{8}$/

/**
 * The cookies in a `Cookie` header (RFC 6265, section 4.2.1) that are named `<name>.<8 characters of base64url>`, in its order.
 *
 * All of them, also when one name comes twice. Values are taken as they are.
 */
export function readCookies(header: string | undefined, name: string): readonly Pick<Cookie, 'name' | 'value'>[] {
  if (header === undefined || !header.includes(name)) return []
  const found: Pick<Cookie, 'name' | 'value'>[] = []
  for (const pair of header.split(';')) {
    const at = pair.indexOf('=')
    if (at === -1) continue
    const own = pair.slice(0, at).trim()
    if (!own.startsWith(`${name}.`) || !SUFFIX.test(own.slice(name.length + 1))) continue
    found.push({ name: own, value: pair.slice(at + 1).trim() })
  }
  return found
}

/** The `Set-Cookie` of a cookie that no script reads and that other sites' forms do not send. Its value needs no quotes. */
export function formatCookie({ name, value, path, maxAge, isSecure }: Cookie): string {
  const cookie = `${name}=${value}; Path=${path}; Max-Age=${maxAge}; HttpOnly; SameSite=Lax`
  return isSecure ? `${cookie}; Secure` : cookie
}
