import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { CANDIDATES, HOME, REGIONS, replicasIn, roundTrip } from './regions.ts'
import { parseAction, type Stage } from './stage.ts'
import type { TourResult } from './tour.ts'

const PUBLIC = new URL('../public/', import.meta.url)
const FILES: ReadonlySet<string> = new Set([
  'index.html',
  ...['page', 'chart', 'stations', 'log'].map((name) => `${name}.css`),
  ...['page', 'chart', 'land', 'stations', 'soundings', 'log', 'space-time'].map((name) => `${name}.js`),
])
const TYPES: Readonly<Record<string, string>> = { html: 'text/html', css: 'text/css', js: 'text/javascript' }
const HEADERS = {
  'content-security-policy': "default-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-cache',
}
const LONGEST_BODY = 1000

/** Serves the page, its feed, and what its buttons ask for, to this machine only. */
export class PageServer implements AsyncDisposable {
  readonly #server: Server
  readonly #stage: Stage
  readonly #tour: TourResult | undefined

  private constructor(stage: Stage, tour: TourResult | undefined) {
    this.#stage = stage
    this.#tour = tour
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch(() => response.destroy())
    })
  }

  /** `port` 0 asks the system for a free one. Throws when the port is taken or may not be used. */
  static async start(options: { stage: Stage; tour: TourResult | undefined; port: number }): Promise<PageServer> {
    const page = new PageServer(options.stage, options.tour)
    page.#server.listen(options.port, '127.0.0.1')
    await once(page.#server, 'listening').catch((cause: unknown) => {
      throw new Error(`the page cannot listen on port ${options.port}; give another with --port, or none`, { cause })
    })
    return page
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.#server.closeAllConnections()
    await closed
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // Another site's page may reach this port under a name of its own; it gets nothing.
    if (!isOurs(request)) return end(response, 403)
    const { pathname } = new URL(request.url ?? '/', this.url)
    if (request.method === 'POST') return pathname === '/act' ? await this.#act(request, response) : end(response, 404)
    if (request.method !== 'GET') return end(response, 405)
    if (pathname === '/events') return this.#stage.feed.join(response)
    if (pathname === '/world.json') return this.#world(response)
    const name = pathname === '/' ? 'index.html' : pathname.slice(1)
    if (!FILES.has(name)) return end(response, 404)
    const type = `${TYPES[name.slice(name.lastIndexOf('.') + 1)]}; charset=utf-8`
    const body = await readFile(new URL(name, PUBLIC))
    response.writeHead(200, { ...HEADERS, 'content-type': type }).end(body)
  }

  async #act(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // A form of another site cannot send this type without asking first.
    if (request.headers['content-type'] !== 'application/json') return end(response, 415)
    const text = await readBody(request)
    const action = parseAction(text === undefined ? undefined : parseJson(text))
    if (action === undefined) return end(response, 400)
    end(response, this.#stage.act(action) ? 202 : 429)
  }

  #world(response: ServerResponse): void {
    const regions = REGIONS.map((region) => ({
      ...region,
      roundTripMs: roundTrip(region.code, HOME),
      replicas: replicasIn(region.code),
      canBePromoted: CANDIDATES.includes(region.code),
    }))
    const tour = this.#tour && {
      readMs: this.#tour.read.medianMs,
      writeMs: this.#tour.write.medianMs,
      naiveMs: this.#tour.naive.medianMs,
      limitMs: this.#tour.limitMs,
      oceanMs: this.#tour.oceanMs,
    }
    response.writeHead(200, { ...HEADERS, 'content-type': 'application/json' })
    response.end(JSON.stringify({ home: HOME, regions, tour }))
  }
}

function isOurs({ headers }: IncomingMessage): boolean {
  const isOurName = /^(127\.0\.0\.1|localhost)(:\d+)?$/.test(headers.host ?? '')
  return isOurName && (headers.origin === undefined || headers.origin === `http://${headers.host}`)
}

async function readBody(request: IncomingMessage): Promise<string | undefined> {
  let text = ''
  for await (const chunk of request) {
    text += chunk
    if (text.length > LONGEST_BODY) return undefined
  }
  return text
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function end(response: ServerResponse, status: number): void {
  response.writeHead(status, HEADERS).end()
}
