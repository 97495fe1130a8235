/** One person with a browser: keeps cookies and sends them back, and remembers what it has written. */
export class Visitor {
  readonly #cookies = new Map<string, { readonly value: string; readonly endsAt: number }>()
  /** The id of the note that it wrote last. */
  ownNote: bigint | undefined

  /** The `Cookie` of its next request; `undefined` when it has none. */
  get cookie(): string | undefined {
    const alive = [...this.#cookies].filter(([, { endsAt }]) => endsAt > Date.now())
    return alive.length === 0 ? undefined : alive.map(([name, { value }]) => `${name}=${value}`).join('; ')
  }

  /** Takes the cookies of an answer. All that is asked here is one host and one path, so only `Max-Age` counts. */
  keep(setCookies: readonly string[]): void {
    for (const setCookie of setCookies) {
      const [pair = '', ...attributes] = setCookie.split(';').map((part) => part.trim())
      const [, name = '', value = ''] = /^([^=]+)=(.*)$/.exec(pair) ?? []
      const maxAge = attributes.find((attribute) => /^max-age=/i.test(attribute))?.slice('max-age='.length)
      const endsAt = maxAge === undefined ? Number.POSITIVE_INFINITY : Date.now() + Number(maxAge) * 1000
      if (endsAt <= Date.now()) this.#cookies.delete(name)
      else this.#cookies.set(name, { value, endsAt })
    }
  }
}

/** Whether the newest notes, as an answer lists them, are a state with `ownNote` in it. */
export function hasNote(notes: readonly { readonly id: string }[], ownNote: bigint): boolean {
  const ids = notes.map(({ id }) => BigInt(id))
  // Five others may have written since.
  return ids.includes(ownNote) || (ids.length > 0 && ids.every((id) => id > ownNote))
}
