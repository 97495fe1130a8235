import type { LocalWorld, Region } from './local-world.ts'

export interface GuestRequest {
  readonly json?: unknown
  readonly form?: Readonly<Record<string, string>>
  readonly method?: string
}

/** A browser, as far as these apps are concerned: keeps cookies, and does not follow redirects. */
export class Guest {
  readonly #world: LocalWorld
  readonly #cookies = new Map<string, string>()

  constructor(world: LocalWorld) {
    this.#world = world
  }

  /** What it would send in `Cookie`. */
  get cookie(): string {
    return [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ')
  }

  /** Puts a cookie there as somebody would who made it up. */
  forge(name: string, value: string): void {
    this.#cookies.set(name, value)
  }

  cookieNames(): string[] {
    return [...this.#cookies.keys()]
  }

  /** Asks from where it stands: the edge of `region`. */
  async ask(region: Region, path: string, { json, form, method }: GuestRequest = {}): Promise<Response> {
    const body = json === undefined ? form && new URLSearchParams(form) : JSON.stringify(json)
    const response = await fetch(this.#world.url(region) + path, {
      method: method ?? (body === undefined ? 'GET' : 'POST'),
      headers: { cookie: this.cookie, ...(json !== undefined && { 'content-type': 'application/json' }) },
      redirect: 'manual',
      signal: AbortSignal.timeout(10_000),
      ...(body !== undefined && { body }),
    })
    for (const line of response.headers.getSetCookie()) this.#keep(line)
    return response
  }

  #keep(line: string): void {
    const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
    const expires = /expires=([^;]+)/i.exec(line)?.[1]
    const isOver = /max-age=0/i.test(line) || (expires !== undefined && Date.parse(expires) < Date.now())
    if (isOver) this.#cookies.delete(name)
    else this.#cookies.set(name, value)
  }
}
