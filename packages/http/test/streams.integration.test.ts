import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { headwater } from '@headwater/http/express'
import { headwater as headwaterForKoa } from '@headwater/http/koa'
import type { RoutedPool } from '@headwater/pg'
import { World } from '@headwater/test-world'
import express from 'express'
import Koa from 'koa'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SECRET } from '../src/testing/data-layer.ts'
import { listen } from '../src/testing/server.ts'

const MEGABYTE = 1_048_576
const LONG = 50 * MEGABYTE
const bytes = Buffer.alloc(LONG, 'a long file ')
const hashOf = (data: Buffer): string => createHash('sha256').update(data).digest('hex')

let world: World
let pool: RoutedPool
let folder: string

beforeAll(async () => {
  world = await World.start()
  pool = await world.informedPool('ams')
  folder = await mkdtemp(join(tmpdir(), 'headwater-streams-'))
  await writeFile(join(folder, 'long.bin'), bytes)
  await writeFile(join(folder, 'short.txt'), 'a short file')
})

afterAll(async () => {
  await world?.[Symbol.asyncDispose]()
  if (folder !== undefined) await rm(folder, { recursive: true, force: true })
})

const longFile = (): string => join(folder, 'long.bin')

/** Each answers after a write whose position the head has to wait for, and all of it passes the gate. */
function expressApp(): express.Express {
  const app = express()
  app.use(headwater({ pool, secret: SECRET }))
  app.use((_request, _response, next) => {
    pool.query("insert into note (body) values ('streamed')").then(() => next(), next)
  })
  app.use('/static', express.static(folder))
  app.get('/send-file', (_request, response) => response.sendFile(longFile()))
  app.get('/pipe', (_request, response) => {
    response.setHeader('content-length', LONG)
    createReadStream(longFile()).pipe(response)
  })
  return app
}

function koaApp(): Koa {
  const app = new Koa()
  app.silent = true
  app.use(headwaterForKoa({ pool, secret: SECRET }))
  app.use(async (context) => {
    await pool.query("insert into note (body) values ('streamed')")
    context.length = LONG
    context.body = createReadStream(longFile())
  })
  return app
}

interface Asked {
  readonly method?: string
  readonly headers?: Record<string, string>
}

function ask(port: number, path: string, { method = 'GET', headers = {} }: Asked = {}): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, path, method, headers, agent: false }, resolve)
    asked.setTimeout(5000, () => asked.destroy(new Error('nothing came for 5 s')))
    asked.on('error', reject)
    asked.end()
  })
}

const bodyOf = async (answer: IncomingMessage): Promise<Buffer> => Buffer.concat(await answer.toArray())

const LONG_ONES: readonly [string, () => express.Express | ReturnType<Koa['callback']>, string][] = [
  ['express.static', expressApp, '/static/long.bin'],
  ['response.sendFile', expressApp, '/send-file'],
  ['a pipe', expressApp, '/pipe'],
  ["Koa's body", () => koaApp().callback(), '/'],
]

describe.each(LONG_ONES)('50 MB by %s', (_, start, path) => {
  test('P11: arrive whole, with a token, and are not collected while a slow client reads', async () => {
    await using running = await listen(createServer(start()))
    const before = process.memoryUsage()
    const answer = await ask(running.port, path)
    expect(answer.statusCode).toBe(200)
    expect(answer.headers['headwater-token']).toEqual(expect.any(String))
    expect(answer.headers['content-length']).toBe(String(LONG))
    answer.pause()
    await new Promise((resolve) => setTimeout(resolve, 200))
    const { arrayBuffers, external } = process.memoryUsage()
    expect(arrayBuffers + external - before.arrayBuffers - before.external).toBeLessThan(20 * MEGABYTE)
    expect(hashOf(await bodyOf(answer))).toBe(hashOf(bytes))
  })
})

describe('files', () => {
  test('P11: a HEAD, a part, what has not changed, and a short file are as without us', async () => {
    await using running = await listen(createServer(expressApp()))
    const head = await ask(running.port, '/static/long.bin', { method: 'HEAD' })
    expect([head.statusCode, head.headers['content-length'], (await bodyOf(head)).length]).toEqual([200, `${LONG}`, 0])

    const part = await ask(running.port, '/static/long.bin', { headers: { range: 'bytes=10-19' } })
    expect([part.statusCode, part.headers['content-range']]).toEqual([206, `bytes 10-19/${LONG}`])
    expect(await bodyOf(part)).toEqual(bytes.subarray(10, 20))

    const short = await ask(running.port, '/static/short.txt')
    expect([short.statusCode, String(await bodyOf(short))]).toEqual([200, 'a short file'])

    const same = await ask(running.port, '/static/short.txt', { headers: { 'if-none-match': `${short.headers.etag}` } })
    expect([same.statusCode, (await bodyOf(same)).length]).toEqual([304, 0])
    expect(same.headers['headwater-token']).toEqual(expect.any(String))

    const beyond = await ask(running.port, '/static/short.txt', { headers: { range: 'bytes=100-' } })
    expect(beyond.statusCode).toBe(416)
    await bodyOf(beyond)
  })
})

describe('a stream', () => {
  test('P11: begins at once, whatever the scope reads meanwhile', async () => {
    const app = express()
    app.use(headwater({ pool, secret: SECRET }))
    app.get('/', (_request, response) => {
      response.setHeader('content-type', 'text/event-stream')
      response.write('data: first\n\n')
      pool.query('select pg_sleep(0.5)').then(() => response.end('data: last\n\n'))
    })
    await using running = await listen(createServer(app))
    const start = performance.now()
    const answer = await ask(running.port, '/')
    const [first] = await new Promise<[string]>((resolve) => answer.once('data', (data) => resolve([String(data)])))
    expect([first, performance.now() - start < 400]).toEqual(['data: first\n\n', true])
    expect(String(await bodyOf(answer))).toBe('data: last\n\n')
  })

  test('P11: waits for the write of its own scope, for a second at most', async () => {
    const app = express()
    app.use(headwater({ pool, secret: SECRET }))
    const waits: Record<string, string> = { '/short': '0.3', '/long': '3' }
    app.get(['/short', '/long'], (request, response) => {
      const sleep = waits[request.path] ?? '0'
      const writing = pool.query(
        "with slept as (select pg_sleep($1)) insert into note (body) select 'slow' from slept",
        [sleep],
      )
      response.write('first')
      writing.then(() => response.end())
    })
    await using running = await listen(createServer(app))
    const took: number[] = []
    for (const path of ['/short', '/long']) {
      const start = performance.now()
      const answer = await ask(running.port, path)
      took.push(performance.now() - start)
      expect(answer.headers['headwater-token']).toEqual(expect.any(String))
      await bodyOf(answer)
    }
    const [short = 0, long = 0] = took
    expect(short).toBeGreaterThan(290)
    expect(short).toBeLessThan(900)
    expect(long).toBeGreaterThan(990)
    expect(long).toBeLessThan(2500)
  })
})

test('P11: a write that nobody awaits, or its COMMIT, is done before the response begins', async () => {
  await world.change(`
    create table slow_note (body text);
    create function sleep_at_commit() returns trigger language plpgsql as 'begin perform pg_sleep(0.2); return null; end';
    create constraint trigger slow after insert on slow_note deferrable initially deferred
      for each row execute function sleep_at_commit();
  `)
  const app = express()
  app.use(headwater({ pool, secret: SECRET }))
  app.post('/lone', (_request, response) => {
    void pool.query("insert into slow_note values ('nobody awaits')")
    response.json({})
  })
  app.post('/commit', async (_request, response) => {
    const client = await pool.connect()
    await client.query('begin')
    await client.query("insert into slow_note values ('nobody awaits')")
    void client.query('commit').finally(() => client.release())
    response.json({})
  })
  await using running = await listen(createServer(app))
  for (const [path, count] of [
    ['/lone', 1],
    ['/commit', 2],
  ] as const) {
    const answer = await ask(running.port, path, { method: 'POST' })
    await bodyOf(answer)
    const { rows } = await world.admin.query('select count(*)::int as count from slow_note')
    expect(rows, path).toEqual([{ count }])
    expect(answer.headers['headwater-token']).toEqual(expect.any(String))
  }
})

test('P11: an answer does not wait for a transaction that stays open, nor for a write that could not be sent', async () => {
  const app = express()
  app.use(headwater({ pool, secret: SECRET }))
  app.post('/open', async (_request, response) => {
    const client = await pool.connect()
    await client.query('begin')
    await client.query("insert into note (body) values ('stays open')")
    response.once('close', () => void client.query('rollback').finally(() => client.release()))
    response.json({})
  })
  app.post('/failed', async (_request, response) => {
    await pool.query('insert into no_such_table values (1)').catch(() => undefined)
    response.json({})
  })
  await using running = await listen(createServer(app))
  for (const path of ['/open', '/failed']) {
    const start = performance.now()
    await bodyOf(await ask(running.port, path, { method: 'POST' }))
    expect(performance.now() - start, path).toBeLessThan(800)
  }
})
