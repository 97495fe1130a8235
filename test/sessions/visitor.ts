import { CookieJar } from '../proof/cookie-jar.ts'
import type { Region, Stage } from '../stage.ts'

/** A browser in one region: it keeps cookies and follows redirects. */
export class Visitor {
  readonly #stage: Stage
  readonly #region: Region
  readonly #prefix: string
  readonly #jar = new CookieJar()

  constructor(stage: Stage, region: Region, prefix: string) {
    this.#stage = stage
    this.#region = region
    this.#prefix = prefix
  }

  post(path: string, body: object): Promise<unknown> {
    const headers = { 'content-type': 'application/json', origin: 'http://127.0.0.1' }
    return this.ask(path, { method: 'POST', headers, body: JSON.stringify(body) })
  }

  async ask(path: string, init: RequestInit = {}): Promise<unknown> {
    const cookie = this.#jar.header(Date.now())
    const headers = { ...(init.headers as Record<string, string>), ...(cookie === undefined ? {} : { cookie }) }
    const response = await this.#stage.fetch(this.#region, this.#prefix + path, { ...init, headers })
    this.#jar.take(response.headers.getSetCookie(), Date.now())
    const location = response.headers.get('location')
    if (response.status === 302 && location !== null) {
      await response.arrayBuffer()
      return this.ask(location)
    }
    if (response.status === 204) return undefined
    if (response.status !== 200) throw new Error(`${path} answered ${response.status}: ${await response.text()}`)
    return await response.json()
  }
}
