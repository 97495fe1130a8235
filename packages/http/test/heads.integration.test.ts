import { createServer, type IncomingHttpHeaders, request, type ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { gunzipSync } from 'node:zlib'
import { type Cluster, startCluster } from '@headwater/cluster'
import { headwater } from '@headwater/http/express'
import { RoutedPool } from '@headwater/pg'
import compression from 'compression'
import express, { type RequestHandler } from 'express'
import express4 from 'express-4'
import onHeaders from 'on-headers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SECRET } from '../src/testing/data-layer.ts'
import { listen } from '../src/testing/server.ts'

/** Long enough to be compressed. */
const TEXT = 'read from a local replica, write at the primary. '.repeat(100)
const HALF = TEXT.length / 2

/** How handlers and frameworks (Next, server-sent events) begin and end a response. */
const WAYS: Readonly<Record<string, (response: ServerResponse) => void>> = {
  'flushHeaders, then end': (response) => {
    response.flushHeaders()
    response.end(TEXT)
  },
  'flushHeaders, then write and end': (response) => {
    response.flushHeaders()
    response.write(TEXT.slice(0, HALF))
    response.end(TEXT.slice(HALF))
  },
  'flushHeaders twice, then a stream later': (response) => {
    response.flushHeaders()
    response.flushHeaders()
    setTimeout(() => Readable.from([TEXT.slice(0, HALF), TEXT.slice(HALF)]).pipe(response), 50)
  },
  'a status, flushHeaders, then end': (response) => {
    response.statusCode = 201
    response.flushHeaders()
    response.end(TEXT)
  },
  'writeHead, flushHeaders, then end': (response) => {
    response.writeHead(201)
    response.flushHeaders()
    response.end(TEXT)
  },
  'write, flushHeaders, then end': (response) => {
    response.write(TEXT.slice(0, HALF))
    response.flushHeaders()
    response.end(TEXT.slice(HALF))
  },
  'end alone': (response) => response.end(TEXT),
}

let cluster: Cluster
let pool: RoutedPool

beforeAll(async () => {
  cluster = await startCluster({ replicas: ['ams'] })
  pool = new RoutedPool({
    region: 'ams',
    primary: { region: 'ams', connectionString: cluster.primary.url },
    replicas: cluster.replicas.map(({ url }) => ({ region: 'ams', connectionString: url })),
    logger: false,
  })
  await pool.query('create table visit (at timestamptz not null)')
})

afterAll(async () => {
  await pool?.end()
  await cluster?.stop()
})

const markHead: RequestHandler = (_request, response, next) => {
  onHeaders(response, () => response.setHeader('x-at-the-head', String(response.statusCode)))
  next()
}

/** Other middleware that hooks into the head, by name: the middleware, and what it must have done. */
const HOOKS: Readonly<Record<string, { hook: () => RequestHandler; expectDone: (answer: Answer) => void }>> = {
  compression: {
    hook: () => compression(),
    expectDone: ({ headers, body }) => {
      expect(headers['content-encoding']).toBe('gzip')
      expect(gunzipSync(body).toString()).toBe(TEXT)
    },
  },
  'on-headers': {
    hook: () => markHead,
    expectDone: ({ status, headers, body }) => {
      expect(headers['x-at-the-head']).toBe(String(status))
      expect(body.toString()).toBe(TEXT)
    },
  },
}

interface Answer {
  readonly status: number | undefined
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

function get(port: number, path: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = { 'accept-encoding': 'gzip' }
    const asked = request({ host: '127.0.0.1', port, path, headers, agent: false }, async (response) => {
      try {
        const body = Buffer.concat(await response.toArray())
        resolve({ status: response.statusCode, headers: response.headers, body })
      } catch (error) {
        reject(error)
      }
    })
    asked.setTimeout(5000, () => asked.destroy(new Error('nothing came for 5 s')))
    asked.on('error', reject)
    asked.end()
  })
}

describe.each([
  ['express 5', express],
  ['express 4', express4 as unknown as typeof express],
])('%s', (_, framework) => {
  describe.each(Object.entries(HOOKS))('%s', (_name, { hook, expectDone }) => {
    test.each(['in front', 'behind', 'on both sides'])(
      'P11: %s, it has its say at a head that is held back',
      async (where) => {
        const app = framework()
        if (where !== 'behind') app.use(hook())
        app.use(headwater({ pool, secret: SECRET }))
        if (where !== 'in front') app.use(hook())
        app.use((_request, _response, next) => {
          pool.query('insert into visit values (now())').then(() => next(), next)
        })
        for (const [at, answer] of Object.values(WAYS).entries()) {
          app.get(`/${at}`, (_request, response) => {
            response.type('text/plain')
            answer(response)
          })
        }
        await using running = await listen(createServer(app))
        for (const [at, way] of Object.keys(WAYS).entries()) {
          const answer = await get(running.port, `/${at}`).catch((cause: unknown) => {
            throw new Error(`${way} does not come through`, { cause })
          })
          expect(answer.headers['headwater-token'], way).toEqual(expect.any(String))
          expect(answer.status, way).toBe(/status|writeHead/.test(way) ? 201 : 200)
          expectDone(answer)
        }
      },
    )
  })
})
