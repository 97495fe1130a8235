import type { Context } from 'hono'
import type { ResponseHead } from '../adapter.ts'
import { type PlainHeaders, plainResponseOf } from './plain-response.ts'

/** The head of the response that a Hono handler has made. */
export class HonoHead implements ResponseHead {
  readonly #context: Context
  /** The headers of a response that was made here in the place of the app's, from the first change on. */
  #own: PlainHeaders | undefined

  constructor(context: Context) {
    this.#context = context
  }

  get status(): number {
    return this.#context.res.status
  }

  setStatus(status: number): void {
    const { res } = this.#context
    this.#own = undefined
    this.#context.res = new Response(res.body, { status, headers: res.headers })
  }

  get(name: string): string | undefined {
    const plain = this.#own ?? plainResponseOf(this.#context.res)?.headers
    return plain === undefined ? (this.#context.res.headers.get(name) ?? undefined) : plain[keyOf(plain, name)]
  }

  set(name: string, value: string): void {
    const own = this.#ownHeaders()
    if (own !== undefined) own[keyOf(own, name)] = value
    else
      this.#change(
        (headers) => headers.set(name, value),
        () => this.#context.header(name, value),
      )
  }

  addCookie(cookie: string): void {
    const own = this.#ownHeaders()
    if (own !== undefined && own[keyOf(own, 'set-cookie')] === undefined) {
      own['set-cookie'] = cookie
      return
    }
    this.#change(
      (headers) => headers.append('set-cookie', cookie),
      () => this.#context.header('set-cookie', cookie, { append: true }),
    )
  }

  /**
   * Changes the headers themselves: where the response is complete, Hono's own way makes another one of it, and @hono/node-server then
   * sends its text as a stream, several times as slow. Those of a fetched response cannot be changed.
   */
  #change(inPlace: (headers: Headers) => void, byHono: () => void): void {
    this.#own = undefined
    try {
      inPlace(this.#context.res.headers)
    } catch {
      byHono()
    }
  }

  /** Headers that nobody else holds: an app may share its own between responses. `undefined` where they are more than a plain object. */
  #ownHeaders(): PlainHeaders | undefined {
    if (this.#own !== undefined) return this.#own
    const plain = plainResponseOf(this.#context.res)
    if (plain === undefined) return undefined
    const { status, body } = plain
    const headers = { ...plain.headers }
    const response = new Response(body, { status, headers })
    if (plainResponseOf(response)?.headers !== headers) return undefined
    // Hono would carry the old headers over to a new response.
    this.#context.res = undefined
    this.#context.res = response
    this.#own = headers
    return headers
  }
}

/** The name as the app has spelled it. */
function keyOf(headers: PlainHeaders, name: string): string {
  for (const key in headers) if (key.length === name.length && key.toLowerCase() === name) return key
  return name
}
