/** What a browser keeps for one host. Names, values and lifetimes; paths and domains are not looked at. */
export class CookieJar {
  readonly #cookies = new Map<string, { readonly value: string; readonly expires: number }>()

  /** Takes the `Set-Cookie` headers of a response in. `now` is the wall clock in ms. Source: RFC 6265, 5.2 and 5.3. */
  take(headers: readonly string[], now: number): void {
    this.#forget(now)
    for (const header of headers) {
      const [pair = '', ...attributes] = header.split(';').map((part) => part.trim())
      const middle = pair.indexOf('=')
      if (middle < 1) continue
      const name = pair.slice(0, middle)
      const expires = expiryOf(attributes, now)
      if (expires <= now) this.#cookies.delete(name)
      else this.#cookies.set(name, { value: pair.slice(middle + 1), expires })
    }
  }

  /** The `Cookie` header of the next request, the oldest first (5.4); `undefined` when there is nothing to send. */
  header(now: number): string | undefined {
    this.#forget(now)
    if (this.#cookies.size === 0) return undefined
    return [...this.#cookies].map(([name, { value }]) => `${name}=${value}`).join('; ')
  }

  #forget(now: number): void {
    for (const [name, { expires }] of this.#cookies) if (expires <= now) this.#cookies.delete(name)
  }
}

/** `Max-Age` beats `Expires`; without either the cookie lives as long as the jar. */
function expiryOf(attributes: readonly string[], now: number): number {
  const textOf = (wanted: string): string | undefined =>
    attributes.find((attribute) => attribute.toLowerCase().startsWith(`${wanted}=`))?.slice(wanted.length + 1)
  const maxAge = textOf('max-age')
  if (maxAge !== undefined && /^-?\d+$/.test(maxAge)) return now + Number(maxAge) * 1000
  const date = Date.parse(textOf('expires') ?? '')
  return Number.isNaN(date) ? Number.POSITIVE_INFINITY : date
}
