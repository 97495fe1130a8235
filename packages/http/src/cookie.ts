/** A cookie of ours, and where it goes. */
export interface Cookie {
  readonly name: string
  readonly value: string
  readonly path: string
  /** How long it is kept, in seconds; 0 takes it away. */
  readonly maxAge: number
  readonly isSecure: boolean
}

/**
 * The value of the one cookie of this name in a `Cookie` header (RFC 6265, section 4.2.1).
 *
 * `undefined` when it is absent or comes more than once: the order of cookies tells nothing. Values are taken as they are.
 */
export function readCookie(header: string | undefined, name: string): string | undefined {
  if (header === undefined || !header.includes(name)) return undefined
  let found: string | undefined
  for (const pair of header.split(';')) {
    const at = pair.indexOf('=')
    if (at === -1 || pair.slice(0, at).trim() !== name) continue
    if (found !== undefined) return undefined
    found = pair.slice(at + 1).trim()
  }
  return found
}

/** The `Set-Cookie` of a cookie that no script reads and that other sites' forms do not send. Its value needs no quotes. */
export function formatCookie({ name, value, path, maxAge, isSecure }: Cookie): string {
  const cookie = `${name}=${value}; Path=${path}; Max-Age=${maxAge}; HttpOnly; SameSite=Lax`
  return isSecure ? `${cookie}; Secure` : cookie
}
