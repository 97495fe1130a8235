import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { Socket } from 'node:net'
import { needsPrimary } from '@headwater/core'
import { type HeadwaterOptions, replayUpgrade } from '@headwater/http'
import { headwater, replayErrorHandler } from '@headwater/http/express'
import type { RoutedPool } from '@headwater/pg'
import express from 'express'
import pg from 'pg'
import { WebSocketServer } from 'ws'
import { CookieJar } from '../proof/cookie-jar.ts'
import { type Instance, listen, type Region, SECRET, Stage } from '../stage.ts'

/** Where a handler runs, and what it may look at. */
export interface Here {
  readonly pool: RoutedPool
  readonly region: Region
  readonly headers: IncomingHttpHeaders
  readonly body: string
}
export type Handler = (here: Here) => Promise<unknown>

export interface Ask {
  readonly method?: string
  readonly from?: Region
  /** By which options the app was set up. */
  readonly by?: keyof typeof VARIANTS
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

export interface Answer {
  readonly status: number
  readonly text: string
  readonly headers: Headers
  /** The regions that the request came by: `nrt > ams`. */
  readonly way: string
}

const users = new Map<string, Set<string>>()
/** The set-ups that the rows ask for; each is an app of its own. */
const VARIANTS = {
  defaults: {},
  timing: { serverTiming: true },
  replayOn: { replayOn: needsPrimary },
  reading: { earlyReplay: () => 'never' },
  forwarding: { earlyReplay: () => 'always' },
  passing: { skip: () => true },
  quick: { timeoutMillis: 300 },
  'own-writes': { token: { trackReads: 'never' } },
  'all-reads': { token: { trackReads: 'always' } },
  renamed: { token: { cookie: { name: 'seen' }, timeToLiveMillis: 5_000 } },
  direct: { tooLarge: 'direct' },
  'by-user': {
    token: {
      cookie: false,
      header: false,
      load: ({ header }) => [...(users.get(header('x-user') ?? '') ?? [])],
      save: ({ header }, token, covered) => {
        const kept = (users.get(header('x-user') ?? '') ?? new Set()).add(token)
        for (const one of covered) kept.delete(one)
        users.set(header('x-user') ?? '', kept)
      },
    },
  },
} satisfies Readonly<Record<string, Partial<HeadwaterOptions>>>

/** An app in each of two regions behind the proxy, and clients of it: what all rows share. */
export class Life {
  readonly stage: Stage
  /** A client of the standby that is not ours. */
  readonly stranger: pg.Pool
  /** Where the handlers of the last request began. */
  readonly ran: Region[]
  readonly #handlers: Map<string, Handler>

  private constructor(stage: Stage, handlers: Map<string, Handler>, ran: Region[]) {
    this.stage = stage
    this.#handlers = handlers
    this.ran = ran
    this.stranger = stage.world.ending(new pg.Pool({ connectionString: stage.world.replica().url, max: 1 }))
  }

  static async open(): Promise<Life> {
    const handlers = new Map<string, Handler>()
    const ran: Region[] = []
    const stage = await Stage.open({ startApp: (instance) => listen(serve(instance, handlers, ran)) })
    return new Life(stage, handlers, ran)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stage[Symbol.asyncDispose]()
  }

  get pool(): RoutedPool {
    return this.stage.pools.nrt
  }

  /** One request of a client that keeps nothing. */
  async ask(
    handler: Handler,
    { method = 'GET', from = 'nrt', by = 'defaults', headers = {}, body }: Ask = {},
  ): Promise<Answer> {
    const path = `/${by}/${nameOf(handler, this.#handlers)}`
    this.ran.length = 0
    const init = body === undefined ? {} : { body }
    const response = await this.stage.fetch(from, path, { method, headers: { ...headers }, ...init })
    const text = await response.text()
    const { hops } = await this.stage.way()
    return {
      status: response.status,
      text,
      headers: response.headers,
      way: hops.map(({ region }) => region).join(' > '),
    }
  }

  /** A browser: it keeps its cookies. */
  browser(): (handler: Handler, ask?: Ask) => Promise<Answer> {
    const jar = new CookieJar()
    return async (handler, ask = {}) => {
      const cookie = jar.header(Date.now())
      const answer = await this.ask(handler, { ...ask, headers: { ...ask.headers, ...(cookie && { cookie }) } })
      jar.take(answer.headers.getSetCookie(), Date.now())
      return answer
    }
  }

  /** Runs `fn` while the replica stands still. */
  async behind<Result>(fn: (resume: () => Promise<void>) => Promise<Result>): Promise<Result> {
    const replica = this.stage.world.replica()
    await this.stage.world.cluster.waitUntilCaughtUp()
    await replica.pauseReplay()
    const resume = async (): Promise<void> => {
      await replica.resumeReplay()
      await this.stage.world.cluster.waitUntilCaughtUp()
    }
    try {
      return await fn(resume)
    } finally {
      await resume()
    }
  }

  /** A stranger writes at the primary. */
  async write(body: string): Promise<void> {
    await this.stage.world.admin.query('insert into note (body) values ($1)', [body])
  }

  notes(body: string): Promise<number> {
    return this.stage.world.notes(body)
  }
}

let made = 0
/** A text that no other row has. */
export const newNote = (): string => `lineage ${++made}`

const names = new WeakMap<Handler, string>()
let named = 0
/** Each handler is a route of its own. */
function nameOf(handler: Handler, handlers: Map<string, Handler>): string {
  const name = names.get(handler) ?? `route-${++named}-`
  names.set(handler, name)
  handlers.set(name, handler)
  return name
}

function serve({ pool, region }: Instance, handlers: ReadonlyMap<string, Handler>, ran: Region[]): Server {
  const front = express()
  front.set('env', 'test')
  for (const [variant, options] of Object.entries(VARIANTS)) {
    const app = express.Router()
    app.use(headwater({ pool, secret: SECRET, ...options }))
    app.use(express.text({ type: () => true, limit: '5mb' }))
    // Each path is a route of its own: with `/:name` all of them would share what is learnt of one.
    app.use((request, response, next) => {
      const handler = handlers.get(request.path.slice(1))
      if (handler === undefined) return next()
      ran.push(region)
      const body = typeof request.body === 'string' ? request.body : ''
      handler({ pool, region, headers: request.headers, body }).then((answer) => response.json(answer ?? null), next)
    })
    app.use(replayErrorHandler())
    front.use(`/${variant}`, app)
  }
  const server = createServer(front)
  const sockets = new WebSocketServer({ noServer: true })
  server.on('upgrade', (request, socket: Socket, head) => {
    if (replayUpgrade(pool, request, socket, { secret: SECRET })) return
    sockets.handleUpgrade(request, socket, head, (ws) => ws.send(region))
  })
  return server
}
