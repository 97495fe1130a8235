import { Readable } from 'node:stream'
import { currentScope, ensurePrimary, type Scope } from '@headwater/core'
import { createTopology } from '@headwater/core/internal'
import { headwater } from '@headwater/http/hono'
import { describeError, describeHttpAdapter, type HttpAdapter, type Outcome, serveApp } from '@headwater/http/testing'
import { getRequestListener } from '@hono/node-server'
import { type Context, Hono } from 'hono'
import { stream } from 'hono/streaming'
import { expect, test } from 'vitest'
import { SECRET } from '../src/testing/data-layer.ts'
import { Primary } from '../src/testing/primary.ts'
import { stateOf } from '../src/testing/token-text.ts'

interface Variables {
  body: unknown
}
type App = { Variables: Variables }

const adapter: HttpAdapter = {
  handlesOnlyErrors: true,
  start(app) {
    const server = new Hono<App>()
    if (app.catchesErrors === true) {
      // Outside our middleware; it makes Hono merge headers into later responses.
      server.use(async (context, next) => {
        context.res.headers.set('x-before', 'early')
        await next()
      })
      server.onError((error, context) => {
        context.header('set-cookie', 'caught=1')
        return context.json(describeError(error), 418)
      })
    }
    const parse = async (context: Context<App>, next: () => Promise<void>): Promise<void> => {
      const text = await context.req.text()
      context.set('body', text === '' ? undefined : JSON.parse(text))
      await next()
    }
    if (app.parsesBody === 'before') server.use(parse)
    server.use(headwater(app.options))
    if (app.parsesBody === 'after') server.use(parse)
    for (const { method, path, handle } of app.routes) {
      server.on(method, path, async (context) => answer(context, await handle(context.get('body'))))
    }
    return serveApp(app, getRequestListener(server.fetch))
  },
}

function answer(context: Context<App>, outcome: Outcome): Response {
  if ('chunks' in outcome) {
    return stream(context, async (out) => {
      for await (const chunk of outcome.chunks()) await out.write(chunk)
    })
  }
  if ('redirect' in outcome) return context.redirect(outcome.redirect)
  if ('empty' in outcome) return context.body(null, outcome.empty)
  if ('stream' in outcome) return new Response(Readable.toWeb(outcome.stream) as ReadableStream)
  return new Response(JSON.stringify(outcome.json), {
    status: outcome.status ?? 200,
    headers: { 'content-type': 'application/json', ...outcome.headers },
  })
}

describeHttpAdapter('hono', adapter)

const away = createTopology({ region: 'nrt', primaryRegion: 'ams', hasReplica: true })
const options = { pool: { topology: away }, secret: 'a secret of these tests', earlyReplay: false }
const headers = { 'fly-request-id': '1' }

test('hono only: it works on web requests alone, without a Node server', async () => {
  const app = new Hono()
  app.use(headwater(options))
  app.get('/write', (context) => {
    currentScope()?.askForReplay(away, 'write')
    return context.text('swallowed', 200, { 'set-cookie': 'a=1' })
  })
  app.get('/read', (context) => context.text('read'))
  const replayed = await app.request('/write?a=1', { headers })
  expect([replayed.status, await replayed.text(), replayed.headers.get('set-cookie')]).toEqual([409, '', null])
  expect((await app.request('/read', { headers })).status).toBe(200)

  const state = /state=([^;]+)/.exec(replayed.headers.get('fly-replay') ?? '')?.[1]
  const again = { headers: { ...headers, 'fly-replay-src': `region=nrt;state=${state}` } }
  expect((await app.request('/write?a=1', again)).status).toBe(200)
  expect((await app.request('/write?a=2', again)).status).toBe(409)
})

test('hono only: the streamed body of a replaced response is cancelled', async () => {
  let isCancelled = false
  const app = new Hono()
  app.use(headwater(options))
  app.get('/', () => {
    currentScope()?.askForReplay(away, 'write')
    return new Response(
      new ReadableStream({
        cancel() {
          isCancelled = true
        },
      }),
    )
  })
  expect((await app.request('/', { headers })).status).toBe(409)
  expect(isCancelled).toBe(true)
})

test('hono only: in a sub-app, with its own error handler, the replay stands', async () => {
  const app = new Hono()
  const notes = new Hono()
  notes.onError((_, context) => context.text('hidden', 500))
  notes.get('/', () => {
    throw currentScope()?.askForReplay(away, 'write') ?? new Error('there is no scope here')
  })
  app.use(headwater(options))
  app.route('/notes', notes)
  expect((await app.request('/notes', { headers })).status).toBe(409)
})

test('hono only: F1: a response with immutable headers carries the token, and over https it is Secure', async () => {
  const primary = new Primary()
  const home = createTopology({ region: 'ams', primaryRegion: 'ams', hasReplica: true })
  const app = new Hono()
  app.use(headwater({ pool: { topology: home }, secret: SECRET }))
  app.use(async (_, next) => {
    await primary.write()
    await next()
  })
  app.get('/redirect', () => Response.redirect('https://example.org/', 303))
  app.get('/fetched', () => fetch('data:text/plain,fetched'))
  const redirected = await app.request('https://example.org/redirect', { headers })
  expect([redirected.status, redirected.headers.get('location')]).toEqual([303, 'https://example.org/'])
  const fetched = await app.request('http://example.org/fetched', { headers })
  expect([fetched.status, await fetched.text()]).toEqual([200, 'fetched'])
  for (const response of [redirected, fetched]) {
    expect(stateOf(response.headers.get('headwater-token') ?? undefined)).toEqual(primary.state)
  }
  expect(redirected.headers.getSetCookie()).toEqual([expect.stringMatching(/^headwater\..*; Secure$/)])
  expect(fetched.headers.getSetCookie()).toEqual([expect.not.stringContaining('Secure')])
})

test('hono only: a response that opens a socket, as Deno makes it, is returned itself, without a token', async () => {
  // Only Deno lets an app make a response with this status.
  const upgraded = Object.defineProperty(new Response(null), 'status', { value: 101 })
  const home = createTopology({ region: 'ams', primaryRegion: 'ams', hasReplica: true })
  const primary = new Primary()
  const scopes: (Scope | undefined)[] = []
  for (const topology of [home, away]) {
    const app = new Hono()
    app.use(headwater({ pool: { topology }, secret: SECRET }))
    app.get('/socket', async () => {
      scopes.push(currentScope())
      expect(currentScope()?.kind).toBe('request')
      if (topology.isAtHome) await primary.write()
      return upgraded
    })
    expect(await app.request('/socket', { headers })).toBe(upgraded)
  }
  expect(scopes.map((scope) => scope?.kind)).toEqual(['job', 'job'])
})

test('P5: paths with slugs are one route, the pattern of the router, and those beside it are not', async () => {
  const topology = createTopology({ region: 'nrt', primaryRegion: 'ams', hasReplica: true })
  const app = new Hono().use(headwater({ pool: { topology }, secret: SECRET }))
  const ran: string[] = []
  app.get('/about/:page', (context) => {
    ran.push(context.req.path)
    return context.text('read')
  })
  app.get('/:user/:title', (context) => {
    ran.push(context.req.path)
    ensurePrimary()
    return context.text('never')
  })
  const statusOf = async (path: string): Promise<number> => (await app.request(path)).status
  // Two show that the route writes, and one in twenty is tried again.
  const writing = Array.from({ length: 22 }, (_, index) => `/user-${'abcdefghijklmnopqrstuvwxyz'[index]}/a-title`)
  for (const path of writing) expect(await statusOf(path)).toBe(409)
  expect(ran).toEqual([writing[0], writing[1], writing[21]])
  expect(await statusOf('/about/us')).toBe(200)
})

test('P5: behind a wildcard the path names the route', async () => {
  const topology = createTopology({ region: 'nrt', primaryRegion: 'ams', hasReplica: true })
  const app = new Hono().use(headwater({ pool: { topology }, secret: SECRET }))
  const ran: string[] = []
  app.get('/pages/*', (context) => {
    ran.push(context.req.path)
    if (context.req.path === '/pages/counter') ensurePrimary()
    return context.text('read')
  })
  for (let time = 0; time < 3; time += 1) await app.request('/pages/counter')
  expect((await app.request('/pages/imprint')).status).toBe(200)
  expect(ran).toEqual(['/pages/counter', '/pages/counter', '/pages/imprint'])
})
