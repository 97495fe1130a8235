import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { headwater as expressHeadwater } from '@headwater/http/express'
import { headwater as honoHeadwater } from '@headwater/http/hono'
import type { RoutedPool } from '@headwater/pg'
import { type Region, World } from '@headwater/test-world'
import { getRequestListener } from '@hono/node-server'
import express from 'express'
import { Hono } from 'hono'
import Cursor from 'pg-cursor'
import QueryStream from 'pg-query-stream'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { listen } from './stage.ts'

const SECRET = 'a secret of the tests of contexts'
const ROWS = 'select n from generate_series(1, 3) n'

let world: World
beforeAll(async () => {
  world = await World.start({
    schema: `create function tell() returns int language plpgsql stable as $$ begin raise notice 'told'; return 1; end $$;`,
  })
})
afterAll(() => world[Symbol.asyncDispose]())

/** The ways in which an app writes from an event or a callback of a query. */
const EXPORTS: Readonly<Record<string, (pool: RoutedPool, write: () => void) => Promise<void>>> = {
  "a stream's 'data' handler": (pool, write) =>
    new Promise((resolve, reject) => {
      const stream = pool.query(new QueryStream(ROWS))
      stream.once('data', write).on('data', () => undefined)
      stream.on('error', reject).on('close', resolve)
    }),
  "a stream's 'end' handler": (pool, write) =>
    new Promise((resolve, reject) => {
      const stream = pool.query(new QueryStream(ROWS)).resume()
      stream.on('end', write).on('error', reject).on('close', resolve)
    }),
  "a cursor's read and close callbacks": async (pool, write) => {
    const client = await pool.connect()
    const cursor = client.query(new Cursor(ROWS))
    await new Promise<void>((resolve, reject) => {
      cursor.read(10, (error) => (error ? reject(error) : cursor.close(() => resolve(write()))))
    }).finally(() => client.release())
  },
  "a notice's handler": async (pool, write) => {
    const client = await pool.connect()
    client.on('notice', write)
    await client.query('select tell()').finally(() => client.release())
  },
  "pool.query's callback": (pool, write) =>
    new Promise((resolve) => {
      pool.query(ROWS, () => resolve(write()))
    }),
  "a leased client's callback": (pool, write) =>
    new Promise((resolve) => {
      pool.connect((_error, client, release) => {
        client?.query(ROWS, () => {
          release()
          resolve(write())
        })
      })
    }),
}

const FRAMEWORKS: Readonly<Record<string, (pool: RoutedPool, handlers: Handlers) => RequestListener>> = {
  Hono: (pool, handlers) => {
    const app = new Hono()
    app.use(honoHeadwater({ pool, secret: SECRET }))
    for (const [path, handle] of Object.entries(handlers)) app.get(path, async (c) => c.json(await handle()))
    return getRequestListener(app.fetch)
  },
  Express: (pool, handlers) => {
    const app = express()
    app.use(expressHeadwater({ pool, secret: SECRET }))
    for (const [path, handle] of Object.entries(handlers)) {
      app.get(path, (_request, response, next) => {
        handle().then((body) => response.json(body), next)
      })
    }
    return app
  },
}

type Handlers = Readonly<Record<'/unrelated' | '/export', () => Promise<unknown>>>

/** One run: a request that only reads opens the pool's only connection, and is still there while another one exports. */
async function overlap(framework: string, region: Region, way: string, body: string) {
  const pool = world.pool(region, { max: 1, catalog: false, functions: { tell: 'read' } })
  let unrelatedRuns = 0
  let opened = (): void => undefined
  const isOpen = new Promise<void>((resolve) => {
    opened = resolve
  })
  let exported = (): void => undefined
  const isExported = new Promise<void>((resolve) => {
    exported = resolve
  })
  const handlers: Handlers = {
    '/unrelated': async () => {
      unrelatedRuns += 1
      await pool.query(ROWS)
      opened()
      await isExported
      const { rows } = await pool.query(ROWS)
      return rows
    },
    '/export': async () => {
      const writes: Promise<unknown>[] = []
      const write = (): void => {
        // A careless app: its answer says nothing of a write that failed.
        writes.push(pool.query('insert into note (body) values ($1)', [body]).catch(() => undefined))
      }
      await EXPORTS[way]?.(pool, write)
      await Promise.all(writes)
      return 'exported'
    },
  }
  const listener = FRAMEWORKS[framework]?.(pool, handlers)
  const server = await listen(createServer(listener))
  const { port } = server.address() as AddressInfo
  const ask = (path: keyof Handlers) => fetch(`http://127.0.0.1:${port}${path}`, { redirect: 'manual' })
  const unrelated = ask('/unrelated')
  await isOpen
  const answer = await ask('/export')
  exported()
  const other = await unrelated
  const rows: unknown = other.ok ? await other.json() : other.status
  await Promise.all([pool.end(), new Promise((resolve) => server.close(resolve).closeAllConnections())])
  return { answer, rows, unrelatedRuns }
}

describe.each(Object.keys(FRAMEWORKS))('%s, a pool of one connection', (framework) => {
  describe.each(Object.keys(EXPORTS))('a write from %s', (way) => {
    test('P3: away from home it replays its own request, 5 of 5, and the one that opened the connection goes on', async () => {
      for (let run = 0; run < 5; run += 1) {
        const { answer, rows, unrelatedRuns } = await overlap(framework, 'nrt', way, `${framework} ${way} away`)
        expect(answer.status).toBe(409)
        expect(answer.headers.get('fly-replay')).toMatch(/^region=ams;/)
        expect(rows).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }])
        expect(unrelatedRuns).toBe(1)
      }
      expect(await world.notes(`${framework} ${way} away`)).toBe(0)
    })

    test('F1: at home its own response carries the token, 5 of 5', async () => {
      const body = `${framework} ${way} at home`
      for (let run = 1; run <= 5; run += 1) {
        const { answer, rows } = await overlap(framework, 'ams', way, body)
        expect(answer.status).toBe(200)
        expect(answer.headers.get('headwater-token')).toBeTruthy()
        expect(rows).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }])
      }
      expect(await world.notes(body)).toBeGreaterThanOrEqual(5)
    })
  })
})
