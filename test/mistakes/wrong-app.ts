import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { headwater } from '@headwater/http/express'
import type { RoutedPool, RoutedPoolOptions } from '@headwater/pg'
import type { World } from '@headwater/test-world'
import express from 'express'
import { Heard, SECRET } from './heard.ts'

/** A running app with a mistake in it. */
export interface Wrong {
  readonly heard: Heard
  readonly routed: RoutedPool
  readonly server: Server
  readonly ask: (path: string, init?: RequestInit) => Promise<Response>
}

/** Runs an app of `region` over real servers. Behind its routes is what many an app has: one handler that answers each error with 500. */
export async function withApp(
  world: World,
  region: 'ams' | 'nrt',
  routes: (app: express.Express, routed: RoutedPool) => void,
  run: (wrong: Wrong) => Promise<void>,
  options: RoutedPoolOptions = {},
): Promise<void> {
  const heard = new Heard()
  const routed = world.pool(region, { logger: heard, ...options })
  const app = express()
  routes(app, routed)
  app.use(((error, _request, response, _next) => {
    if (!response.headersSent) response.status(500)
    response.end(error.message)
  }) satisfies express.ErrorRequestHandler)
  const { url: base, server } = await start(app)
  try {
    await run({ heard, routed, server, ask: (path, init) => fetch(base + path, init) })
  } finally {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    await routed.end()
  }
}

/** Runs an app in nrt; `isBehind`: the middleware stands behind the routes. */
export function inNrt(
  world: World,
  isBehind: boolean | 'missing',
  run: (wrong: Wrong) => Promise<void>,
): Promise<void> {
  return withApp(
    world,
    'nrt',
    (app, routed) => {
      if (isBehind === false) app.use(headwater({ pool: routed, secret: SECRET }))
      app.all('/write', async (_request, response) => {
        await routed.query("insert into note (body) values ('m')")
        response.send('written')
      })
      app.get('/read', async (_request, response) => {
        await routed.query('select 1')
        response.send('read')
      })
      if (isBehind === true) app.use(headwater({ pool: routed, secret: SECRET }))
    },
    run,
  )
}

/** Starts an app on the real middleware; gives its URL. */
export async function start(app: express.Express): Promise<{ readonly url: string; readonly server: Server }> {
  const server = createServer(app).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server }
}

export const ON_FLY = { 'fly-region': 'nrt' }
export const POST: RequestInit = { method: 'POST', headers: ON_FLY }
export const asJson = (body: object): RequestInit => ({
  method: 'POST',
  headers: { ...ON_FLY, 'content-type': 'application/json' },
  body: JSON.stringify(body),
})
