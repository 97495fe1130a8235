import { realpathSync } from 'node:fs'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { isReplay } from '@headwater/core'
import { noteCopy } from '@headwater/core/internal'
import { headwater } from '@headwater/http/express'
import type { RoutedPool } from '@headwater/pg'
import { World } from '@headwater/test-world'
import connectPgSimple from 'connect-pg-simple'
import express from 'express'
import session from 'express-session'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { complaints, Heard, SECRET } from './mistakes/heard.ts'
import { asJson, ON_FLY, POST, withApp } from './mistakes/wrong-app.ts'

let world: World
beforeAll(async () => {
  world = await World.start()
}, 120_000)
afterAll(() => world[Symbol.asyncDispose]())

describe('what is done in the code of the app', { timeout: 60_000 }, () => {
  test('O1: 8: the middleware twice, which is harmless: one replay, and nothing is said', () =>
    withApp(
      world,
      'nrt',
      (app, routed) => {
        app.use(headwater({ pool: routed, secret: SECRET }))
        app.use(headwater({ pool: routed, secret: SECRET }))
        app.get('/read', async (_request, response) => {
          response.json((await routed.query('select is_standby from server')).rows[0])
        })
        app.post('/write', async (_request, response) => {
          await insert(routed, 'twice')
          response.send('written')
        })
      },
      async ({ heard, ask }) => {
        expect(await (await ask('/read', { headers: ON_FLY })).json()).toEqual({ is_standby: true })
        const replayed = await ask('/write', POST)
        expect([replayed.status, replayed.headers.get('fly-replay')?.split('region=').length]).toEqual([409, 2])
        expect(await world.notes('twice')).toBe(0)
        expect(complaints(heard)).toEqual([])
      },
    ))

  test('O1: 9: the body parser first, which is harmless: away it is replayed, and at home the body is there', async () => {
    for (const region of ['nrt', 'ams'] as const) {
      await withApp(
        world,
        region,
        (app, routed) => {
          app.use(express.json(), headwater({ pool: routed, secret: SECRET }))
          app.post('/write', async (request, response) => {
            await insert(routed, request.body.body)
            response.send('written')
          })
        },
        async ({ heard, ask }) => {
          expect((await ask('/write', asJson({ body: 'parsed' }))).status).toBe(region === 'nrt' ? 409 : 200)
          expect(complaints(heard)).toEqual([])
        },
      )
    }
    expect(await world.notes('parsed')).toBe(1)
  })

  test('O1: 10: a write that nobody awaits, which is harmless: it is done, and its client sees it', () =>
    withApp(
      world,
      'ams',
      (app, routed) => {
        app.use(headwater({ pool: routed, secret: SECRET }))
        app.post('/write', (_request, response) => {
          void insert(routed, 'not awaited')
          response.send('soon')
        })
      },
      async ({ heard, ask }) => {
        const answer = await ask('/write', POST)
        expect([answer.status, answer.headers.get('set-cookie')]).toEqual([200, expect.stringContaining('headwater')])
        expect(await world.notes('not awaited')).toBe(1)
        expect(complaints(heard)).toEqual([])
      },
    ))

  test('O1: 11, 12, 13: a write at import, in a job of each region, and on a WebSocket: said once, with the option and the region', () =>
    withApp(
      world,
      'nrt',
      (app, routed) => app.use(headwater({ pool: routed, secret: SECRET })),
      async ({ heard, routed, server }) => {
        await insert(routed, 'at import')
        await insert(routed, 'by a job')
        server.on('upgrade', async (_request, socket) => {
          await insert(routed, 'on a socket')
          socket.end('HTTP/1.1 101 Switching Protocols\r\nupgrade: note\r\nconnection: upgrade\r\n\r\n')
        })
        const { port } = server.address() as AddressInfo
        const upgrade = request({ port, host: '127.0.0.1', headers: { connection: 'upgrade', upgrade: 'note' } }).end()
        await new Promise((resolve, reject) => upgrade.once('upgrade', resolve).once('error', reject))
        upgrade.destroy()
        for (const body of ['at import', 'by a job', 'on a socket']) expect(await world.notes(body)).toBe(1)
        expect(complaints(heard)).toEqual([
          expect.stringMatching(
            /HEADWATER_WRITE_OUTSIDE_REQUEST: .*writesOutsideRequest: 'direct'.*run the job in ams/,
          ),
        ])
      },
    ))

  test('O1: 14, 16: a write behind the first byte says ensurePrimary(), and the third time it is replayed before', () =>
    withApp(
      world,
      'nrt',
      (app, routed) => {
        app.use(headwater({ pool: routed, secret: SECRET }))
        app.get('/events', async (_request, response) => {
          await new Promise((resolve) => response.write('event: first\n\n', resolve))
          await insert(routed, 'streamed').catch((error: Error) => response.write(error.message))
          response.end()
        })
      },
      async ({ ask }) => {
        const answer = await ask('/events', { headers: ON_FLY })
        expect(await answer.text()).toMatch(
          /the response has started: call ensurePrimary\(\) before the first byte is sent/,
        )
        const [second, third] = [await ask('/events', { headers: ON_FLY }), await ask('/events', { headers: ON_FLY })]
        await Promise.all([second.text(), third.text()])
        expect([answer.status, second.status, third.status]).toEqual([200, 200, 409])
        expect(await world.notes('streamed')).toBe(0)
      },
    ))

  test('O1: 15, 17: an upload that is too large, with an error handler that answers 500: a 413 that names the option', () =>
    withApp(
      world,
      'nrt',
      (app, routed) => {
        app.use(headwater({ pool: routed, secret: SECRET }), express.text({ limit: '9mb' }))
        app.post('/upload', async (_request, response) => {
          await insert(routed, 'uploaded')
          response.send('written')
        })
      },
      async ({ ask }) => {
        const headers = { ...ON_FLY, 'content-type': 'text/plain' }
        const answer = await ask('/upload', { method: 'POST', headers, body: 'x'.repeat(2_000_000) })
        expect([answer.status, answer.headers.get('fly-prefer-region')]).toEqual([413, 'ams'])
        expect(await answer.text()).toMatch(/over the proxy's limit for replays.*set tooLarge to 'direct'/)
        expect((await ask('/upload', { method: 'POST', headers, body: 'small' })).status).toBe(409)
        expect(await world.notes('uploaded')).toBe(0)
      },
    ))

  test('O1: 17, 18: an error handler that answers 500, and a reporter before it: the replay stands, and says to let it pass', () => {
    const reported: unknown[] = []
    return withApp(
      world,
      'nrt',
      (app, routed) => {
        app.use(headwater({ pool: routed, secret: SECRET }))
        app.get('/late', async (_request, response) => {
          await insert(routed, 'late').catch((cause: unknown) => {
            throw new Error('Failed query: insert', { cause })
          })
          response.send('written')
        })
        app.use(((error, _request, _response, next) => {
          reported.push(error)
          next(error)
        }) satisfies express.ErrorRequestHandler)
      },
      async ({ heard, ask }) => {
        expect((await ask('/late', { headers: ON_FLY })).status).toBe(409)
        expect(reported.map(isReplay)).toEqual([true])
        expect(String(Reflect.get(Object(reported[0]), 'cause'))).toMatch(/Let this error pass: the HTTP adapter/)
        expect(await world.notes('late')).toBe(0)
        expect(complaints(heard)).toEqual([])
      },
    )
  })

  test('O1: 19: a transaction that is released open is rolled back, and a leaked client makes the next one wait, as with pg', async () => {
    const small = world.pool('ams', { max: 1, replicas: [], connectionTimeoutMillis: 200 })
    const client = await small.connect()
    await client.query('begin')
    await client.query("insert into note (body) values ('left open')")
    await expect(small.query("insert into note (body) values ('behind a leak')")).rejects.toThrow(
      /timeout exceeded when trying to connect/,
    )
    client.release()
    await small.query("insert into note (body) values ('behind a release')")
    expect(
      await Promise.all(['left open', 'behind a leak', 'behind a release'].map((body) => world.notes(body))),
    ).toEqual([0, 0, 1])
    await small.end()
  })

  test('O1: 20: a session store that makes its own table, which is harmless', () =>
    withApp(
      world,
      'ams',
      (app, routed) => {
        const Store = connectPgSimple(session)
        const store = new Store({ pool: routed, createTableIfMissing: true, pruneSessionInterval: false })
        app.use(headwater({ pool: routed, secret: SECRET }))
        app.use(session({ store, secret: 'of the session', resave: false, saveUninitialized: true }))
        app.post('/login', (_request, response) => void response.send('in'))
      },
      async ({ heard, ask }) => {
        expect((await ask('/login', POST)).status).toBe(200)
        await expect
          .poll(async () => (await world.admin.query('select count(*)::int as kept from session')).rows)
          .toEqual([{ kept: 1 }])
        expect(complaints(heard)).toEqual([])
      },
    ))

  test('O1: 22: two copies of a package: both files are named, and how to be left with one', () => {
    const emitWarning = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
    try {
      noteCopy('@headwater/pg', 'file:///app/node_modules/other/node_modules/@headwater/pg/dist/pool.js')
      noteCopy('@headwater/pg', 'file:///app/node_modules/other/node_modules/@headwater/pg/dist/pool.js')
      expect(emitWarning.mock.calls.map(([text]) => String(text))).toEqual([
        expect.stringMatching(/two copies of @headwater\/pg are loaded: .*npm ls @headwater\/pg; npm dedupe/),
      ])
    } finally {
      emitWarning.mockRestore()
    }
  })

  test('O1: two copies of pg: what is set on one does not count in the other', async () => {
    const heard = new Heard()
    const load = createRequire(import.meta.url)
    const folder = realpathSync(dirname(load.resolve('pg/package.json')))
    const copied = await mkdtemp(join(tmpdir(), 'headwater-copy-'))
    try {
      await cp(dirname(folder), join(copied, 'node_modules'), { recursive: true, dereference: true })
      const second = join(copied, 'node_modules/pg/lib/index.js')
      load(second)
      const routed = world.pool('ams', { logger: heard })
      await routed.query('select 1')
      await expect.poll(() => heard.said.join(), { timeout: 20_000 }).toContain('HEADWATER_TWO_COPIES')
      expect(heard.said.join()).toMatch(/two copies of pg are loaded: .*pg\.types.*npm ls pg/)
      expect(heard.said.join()).toContain(second)
      await routed.end()
    } finally {
      for (const path of Object.keys(load.cache)) if (path.startsWith(copied)) delete load.cache[path]
      await rm(copied, { recursive: true, force: true })
    }
  })

  test('O1: 23: the replica is killed while the app runs: said once with its option, reads go on elsewhere, and it comes back', () =>
    withApp(
      world,
      'ams',
      (app, routed) => {
        app.use(headwater({ pool: routed, secret: SECRET }))
        app.get('/read', async (_request, response) => {
          response.json((await routed.query('select is_standby from server')).rows[0])
        })
      },
      async ({ heard, ask }) => {
        const isByStandby = async () =>
          Reflect.get((await (await ask('/read', { headers: ON_FLY })).json()) as object, 'is_standby')
        await expect.poll(isByStandby, { timeout: 20_000 }).toBe(true)
        await world.replica().kill()
        try {
          expect(await isByStandby()).toBe(false)
          await expect.poll(() => heard.codes, { timeout: 20_000 }).toEqual(['HEADWATER_SERVER_DOWN'])
          expect(heard.said.join()).toMatch(
            /replicas\[0\].*cannot be reached.*should be the address of a running replica/,
          )
        } finally {
          await world.replica().restart()
        }
        await expect.poll(isByStandby, { timeout: 20_000 }).toBe(true)
        expect(heard.codes).toEqual(['HEADWATER_SERVER_DOWN'])
      },
    ))

  test('O1: 24: the primary is killed while the app runs: 503 with Retry-After, reads go on, the primary is named, and it comes back', () =>
    withApp(
      world,
      'ams',
      (app, routed) => {
        app.use(headwater({ pool: routed, secret: SECRET }))
        app.get('/read', async (_request, response) => {
          response.json((await routed.query('select is_standby from server')).rows[0])
        })
        app.post('/write', async (_request, response) => {
          await insert(routed, 'killed')
          response.send('written')
        })
      },
      async ({ heard, ask }) => {
        await ask('/read', { headers: ON_FLY })
        await world.cluster.primary.kill()
        try {
          const refused = await ask('/write', POST)
          expect([refused.status, Number(refused.headers.get('retry-after'))]).toEqual([503, expect.any(Number)])
          expect((await ask('/read', { headers: ON_FLY })).status).toBe(200)
          await expect.poll(() => heard.codes, { timeout: 20_000 }).toEqual(['HEADWATER_SERVER_DOWN'])
          expect(heard.said.join()).toMatch(
            /primary \(.*cannot be reached.*writes are refused with 503.*address of the server that accepts writes/,
          )
        } finally {
          await world.cluster.primary.restart()
        }
        await expect.poll(async () => (await ask('/write', POST)).status, { timeout: 20_000 }).toBe(200)
        expect(heard.codes).toEqual(['HEADWATER_SERVER_DOWN'])
      },
      { promotionWaitMillis: 0 },
    ))
})

const insert = (routed: RoutedPool, body: string) => routed.query('insert into note (body) values ($1)', [body])
