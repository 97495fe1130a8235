import { createServer } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { Hono } from 'hono'
import { expect, test } from 'vitest'
import { plainResponseOf } from '../src/hono/plain-response.ts'
import { headwater } from '../src/hono.ts'
import { SECRET } from '../src/testing/data-layer.ts'
import { type Sent, send } from '../src/testing/send.ts'
import { listen } from '../src/testing/server.ts'
import { cookieOf, tokenOf } from '../src/testing/token-text.ts'

const SHARED = { 'Content-Type': 'application/json', Vary: 'Accept', 'Cache-Control': 'public, max-age=9' }
const seenOutside: (string | null)[] = []

const app = new Hono()
app.use(async (context, next) => {
  await next()
  if (context.req.query('look') !== undefined) seenOutside.push(context.res.headers.get('vary'))
})
app.use(
  headwater({
    pool: {
      topology: { region: 'ams', primaryRegion: 'ams', isAtHome: true, hasReplica: true },
      // The client needs its token no more: it is taken away, with a cookie.
      hasEveryReplica: () => true,
    },
    secret: SECRET,
  }),
)
app.get('/shared', () => new Response('{}', { headers: SHARED }))
app.get('/text', (context) => context.text('words'))
app.get('/none', (context) => context.body(null, 204))
app.get('/cookies', (context) => {
  context.header('set-cookie', 'a=1', { append: true })
  context.header('set-cookie', 'b=2', { append: true })
  return context.json({})
})
app.get('/cookie', () => new Response('{}', { headers: { 'Set-Cookie': 'a=1' } }))
const listener = getRequestListener(app.fetch)

async function ask(path: string, isCarrying: boolean): Promise<Sent> {
  await using running = await listen(createServer((request, response) => void listener(request, response)))
  return await send(running.port, path, isCarrying ? { headers: { cookie: cookieOf(tokenOf(5n)) } } : {})
}

test('F1: an answer with a token has all that the app says, and what the token adds', async () => {
  const { headers } = await ask('/shared', true)
  expect(headers).toMatchObject({
    'content-type': 'application/json',
    vary: 'Accept',
    'cache-control': 'public, max-age=9',
  })
  const text = await ask('/text', true)
  expect([text.text, text.headers['content-type'], text.headers.vary]).toEqual([
    'words',
    'text/plain; charset=UTF-8',
    'Cookie',
  ])
  expect(text.headers['set-cookie']).toEqual([expect.stringMatching(/^headwater\.[\w-]{8}=; Path=\/; Max-Age=0;/)])
  expect((await ask('/none', true)).headers.vary).toBe('Cookie')
  expect((await ask('/cookies', true)).headers['set-cookie']).toEqual([
    'a=1',
    'b=2',
    expect.stringMatching(/^headwater/),
  ])
  expect((await ask('/cookie', true)).headers['set-cookie']).toEqual(['a=1', expect.stringMatching(/^headwater/)])
})

test('F1: headers that an app shares between its answers stay as they are', async () => {
  const before = { ...SHARED }
  await ask('/shared', true)
  await ask('/text', true)
  expect(SHARED).toEqual(before)
  expect((await ask('/text', false)).headers).not.toHaveProperty('vary')
})

test('middleware around it sees what it has added', async () => {
  await ask('/text?look', true)
  expect(seenOutside).toEqual(['Cookie'])
})

test('what @hono/node-server keeps of a response is where it is looked for', () => {
  const headers = { 'Content-Type': 'application/json' }
  expect(plainResponseOf(new Response('{}', { status: 201, headers }))).toEqual({ status: 201, body: '{}', headers })
  const looked = new Response('{}', { headers })
  void looked.headers
  expect(plainResponseOf(looked)).toBeUndefined()
})
