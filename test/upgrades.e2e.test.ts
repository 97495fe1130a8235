import { once } from 'node:events'
import { type ClientRequest, createServer, type IncomingMessage, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { ensurePrimary, getToken, OptionsInvalid, see } from '@headwater/core'
import { replayUpgrade, scopePerMessage, type UpgradeOptions } from '@headwater/http'
import { headwater as headwaterForExpress } from '@headwater/http/express'
import { headwater as headwaterForHono } from '@headwater/http/hono'
import type { RoutedPool } from '@headwater/pg'
import { createAdaptorServer, upgradeWebSocket, type WebSocketServerLike } from '@hono/node-server'
import express from 'express'
import { Hono } from 'hono'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { type Instance, listen, type Region, SECRET, Stage } from './stage.ts'

const PATIENCE_MILLIS = 10_000
const inTime = () => ({ signal: AbortSignal.timeout(PATIENCE_MILLIS) })
const COUNT = 'select who, (select count(*)::int from note where body = $1) as notes from server'

/** What a client says over its connection: who answers, and how many notes of this text it sees; or a note to write. */
interface Said {
  readonly act: 'read' | 'write' | 'see' | 'token'
  readonly body: string
}

async function answerTo({ pool, region }: Instance, { act, body }: Said): Promise<unknown> {
  if (act === 'see') return see(body, { secret: SECRET })
  if (act === 'write') {
    await pool.query('insert into note (body, region) values ($1, $2)', [body, region])
    return region
  }
  if (act === 'token') {
    await pool.query('insert into note (body, region) values ($1, $2)', [body, region])
    return await getToken({ secret: SECRET })
  }
  const { rows } = await pool.query<{ who: string; notes: number }>(COUNT, [body])
  return rows.map(({ who, notes }) => `${who} sees ${notes}`)[0]
}

/** An app that answers HTTP through Express, and WebSockets on Node's own event. `/primary` is for connections that write. */
function chatApp(instance: Instance, options: UpgradeOptions = {}): Promise<Server> {
  const { pool, region } = instance
  const app = express()
  app.use(headwaterForExpress({ pool, secret: SECRET }))
  app.post('/notes', express.text(), async ({ body }, response) => {
    response.json(await answerTo(instance, { act: 'write', body: String(body) }))
  })
  app.get('/notes', async ({ query }, response) => {
    response.json(await answerTo(instance, { act: 'read', body: String(query['body']) }))
  })
  const server = createServer(app)
  const sockets = new WebSocketServer({ noServer: true })
  server.on('upgrade', (incoming, socket, head) => {
    if (
      incoming.url?.startsWith('/primary') === true &&
      replayUpgrade(pool, incoming, socket, { secret: SECRET, ...options })
    )
      return
    sockets.handleUpgrade(incoming, socket, head, (ws) => {
      const inMessage = scopePerMessage(incoming, { secret: SECRET })
      ws.send(region)
      ws.on('message', (data) => {
        inMessage(() => answerTo(instance, JSON.parse(String(data)) as Said)).then(
          (answer) => ws.send(JSON.stringify(answer)),
          (error: unknown) => ws.send(String(error)),
        )
      })
    })
  })
  return listen(server)
}

/** The same with Hono's own WebSockets: their handshake is a request like any other. */
function honoApp(instance: Instance): Promise<Server> {
  const app = new Hono()
  app.use(headwaterForHono({ pool: instance.pool, secret: SECRET }))
  app.use('/primary', async (_, next) => {
    ensurePrimary()
    await next()
  })
  app.on(
    'GET',
    ['/primary', '/here'],
    upgradeWebSocket((context) => {
      const inMessage = scopePerMessage(context.req.raw, { secret: SECRET })
      return {
        onOpen: (_, ws) => ws.send(instance.region),
        onMessage: async ({ data }, ws) => {
          const answer = await inMessage(() => answerTo(instance, JSON.parse(String(data)) as Said))
          ws.send(JSON.stringify(answer))
        },
      }
    }),
  )
  // ws's own types allow `undefined` where @hono/node-server's do not.
  const server = new WebSocketServer({ noServer: true }) as WebSocketServerLike
  return listen(createAdaptorServer({ fetch: app.fetch, websocket: { server } }) as Server)
}

const opened: WebSocket[] = []
afterEach(() => {
  for (const socket of opened.splice(0)) socket.terminate()
})

/** A client's connection: where it was opened, and what is said on it. */
async function open(url: string, headers: Record<string, string> = {}) {
  const socket = new WebSocket(url.replace(/^http/, 'ws'), { headers })
  opened.push(socket)
  const [region] = await once(socket, 'message', inTime())
  const ask = async (act: Said['act'], body: string): Promise<unknown> => {
    socket.send(JSON.stringify({ act, body } satisfies Said))
    const [answer] = await once(socket, 'message', inTime())
    return JSON.parse(String(answer))
  }
  const close = async () => {
    socket.close()
    await once(socket, 'close', inTime())
  }
  return { region: String(region), ask, close }
}

/** When a request has ended, well or not. */
const closed = (asked: ClientRequest) => new Promise<void>((resolve) => void asked.once('close', resolve))

/** The answer to a handshake that is refused. */
async function refused(url: string, headers: Record<string, string> = {}): Promise<IncomingMessage> {
  const socket = new WebSocket(url.replace(/^http/, 'ws'), { headers })
  opened.push(socket)
  socket.on('error', () => undefined)
  const [, response] = (await once(socket, 'unexpected-response', inTime())) as [unknown, IncomingMessage]
  return response
}

const edge = (stage: Stage, region: Region, path: string) => stage.proxy.edge(region).url + path
const regionsOf = async (stage: Stage) => (await stage.way()).hops.map((hop) => hop.region)

let made = 0
const newBody = () => `said ${++made}`

describe.each([
  ['ws on node:http', chatApp],
  ['Hono on node-server', honoApp],
] as const)('%s, through the proxy', (_, startApp) => {
  let stage: Stage
  beforeAll(async () => {
    stage = await Stage.open({ startApp })
  })
  afterAll(() => stage?.[Symbol.asyncDispose]())

  test('P5, fly-ruby#21: a handshake that needs the primary is answered in its region, and its messages write there', async () => {
    const body = newBody()
    const client = await open(edge(stage, 'nrt', '/primary'))
    expect([client.region, await client.ask('write', body)]).toEqual(['ams', 'ams'])
    expect(await client.ask('read', body)).toBe('primary sees 1')
    await client.close()
    const { hops, replays, status } = await stage.way()
    expect([hops.map((hop) => hop.region), replays, status]).toEqual([['nrt', 'ams'], 1, 101])
    expect(await stage.notes(body)).toEqual(['ams'])
  })

  test('P6: at home it is answered at once, and one that stays away reads next door and writes over the network', async () => {
    const body = newBody()
    const atHome = await open(edge(stage, 'ams', '/primary'))
    await atHome.close()
    expect([atHome.region, await regionsOf(stage)]).toEqual(['ams', ['ams']])
    const away = await open(edge(stage, 'nrt', '/here'))
    expect([away.region, await away.ask('read', body)]).toEqual(['nrt', 'nrt sees 0'])
    expect(await away.ask('write', body)).toBe('nrt')
    await away.close()
    expect(await regionsOf(stage)).toEqual(['nrt'])
    expect(await stage.notes(body)).toEqual(['nrt'])
  })

  test('F1, R4: each message sees what those before it have written, and its reads come home', async () => {
    const body = newBody()
    const client = await open(edge(stage, 'nrt', '/here'))
    expect(await client.ask('read', body)).toBe('nrt sees 0')
    const replica = stage.world.replica()
    await replica.pauseReplay()
    try {
      await client.ask('write', body)
      for (let round = 0; round < 3; round += 1) expect(await client.ask('read', body)).toBe('primary sees 1')
    } finally {
      await replica.resumeReplay()
    }
    await expect.poll(() => client.ask('read', body), { timeout: PATIENCE_MILLIS }).toBe('nrt sees 1')
  })
})

describe('ws on node:http', () => {
  let stage: Stage
  beforeAll(async () => {
    stage = await Stage.open({ startApp: chatApp })
  })
  afterAll(() => stage?.[Symbol.asyncDispose]())
  const paused = async (fn: () => Promise<void>) => {
    await stage.world.cluster.waitUntilCaughtUp()
    await stage.world.replica().pauseReplay()
    try {
      await fn()
    } finally {
      await stage.world.replica().resumeReplay()
    }
  }

  test('F1: the first message sees what the client wrote before it opened the connection', () =>
    paused(async () => {
      const body = newBody()
      const written = await stage.fetch('nrt', '/notes', {
        method: 'POST',
        body,
        headers: { 'content-type': 'text/plain' },
      })
      const cookie = written.headers.getSetCookie().map((one) => one.split(';')[0])
      const client = await open(edge(stage, 'nrt', '/here'), { cookie: cookie.join('; ') })
      expect(await client.ask('read', body)).toBe('primary sees 1')
      const stranger = await open(edge(stage, 'nrt', '/here'))
      expect(await stranger.ask('read', body)).toBe('nrt sees 0')
    }))

  test('F1, F8: a token out of a message is good for a request, and one that comes in a message for those after it', () =>
    paused(async () => {
      const body = newBody()
      const writer = await open(edge(stage, 'nrt', '/here'))
      const token = String(await writer.ask('token', body))
      const headers = { 'headwater-token': token }
      expect(await (await stage.fetch('nrt', `/notes?body=${body}`, { headers })).json()).toBe('primary sees 1')
      const reader = await open(edge(stage, 'nrt', '/here'))
      expect(await reader.ask('see', token)).toBe(true)
      expect(await reader.ask('read', body)).toBe('primary sees 1')
      expect(await reader.ask('read', body)).toBe('primary sees 1')
    }))

  test.each([
    ['of another secret', { state: `hw2.abc.write.${'A'.repeat(22)}.${'B'.repeat(43)}` }],
    ['of another version', { state: 'hw9.whatever' }],
  ])('P7: a state of our form %s costs its sender a 503, and nobody else anything', async (_, { state }) => {
    const forged = { 'fly-replay-src': `instance=1;region=nrt;t=1;state=${state}` }
    const { statusCode, headers } = await refused(`${stage.urls.nrt}/primary`, forged)
    expect([statusCode, headers['retry-after'], headers['cache-control'], headers['fly-replay']]).toEqual([
      503,
      '1',
      'no-store',
      undefined,
    ])
    // At home it steers nothing.
    expect((await open(`${stage.urls.ams}/primary`, forged)).region).toBe('ams')
  })

  test.each([
    ['malformed', 'state'],
    ['somebody else’s', 'instance=1;region=nrt;t=1;state=v1.abc'],
    ['none', undefined],
  ])('P7: a fly-replay-src that is %s steers nothing: the handshake is replayed', async (_, source) => {
    const headers = source === undefined ? undefined : { 'fly-replay-src': source }
    const response = await refused(`${stage.urls.nrt}/primary`, headers)
    expect([response.statusCode, response.headers['content-length'], response.headers.connection]).toEqual([
      409,
      '0',
      'close',
    ])
    expect(response.headers['fly-replay']).toMatch(/^region=ams;state=hw\d\..*;timeout=10s;fallback=prefer_self$/)
  })

  test('P4: a state of another handshake counts as absent', async () => {
    const other = await refused(`${stage.urls.nrt}/primary?other`)
    const state = /state=([^;]*)/.exec(String(other.headers['fly-replay']))?.[1]
    const source = (path: string) => refused(stage.urls.nrt + path, { 'fly-replay-src': `instance=1;state=${state}` })
    expect((await source('/primary')).statusCode).toBe(409)
    expect((await source('/primary?other')).statusCode).toBe(503)
  })

  test('P8: with the primary’s region down a handshake that needs it gets 503 with Retry-After; others are answered', async () => {
    await using alone = await Stage.open({
      startApp: (instance) => chatApp(instance, { timeoutMillis: 300, retryAfterSeconds: 7 }),
    })
    alone.proxy.faults.regionDown('ams')
    const { statusCode, headers } = await refused(edge(alone, 'nrt', '/primary'))
    expect([statusCode, headers['retry-after']]).toEqual([503, '7'])
    const here = await open(edge(alone, 'nrt', '/here'))
    expect(await here.ask('read', 'anything')).toBe('nrt sees 0')
    alone.proxy.faults.regionUp('ams')
    expect((await open(edge(alone, 'nrt', '/primary'))).region).toBe('ams')
  })

  test('P4: where two regions disagree about the primary a handshake is replayed once, then 503, no loop', async () => {
    await using astray = await Stage.open({
      startApp: chatApp,
      pool: (region, cluster) =>
        region === 'ams' ? { primary: { region: 'ord', connectionString: cluster.primary.url } } : {},
    })
    const { statusCode, headers } = await refused(edge(astray, 'nrt', '/primary'))
    expect([statusCode, headers['retry-after']]).toEqual([503, '1'])
    expect((await astray.way()).replays).toBe(1)
  })

  test('X5: a client that hangs up before it is answered ends nothing', async () => {
    const port = new URL(stage.urls.nrt).port
    const asked = request({
      host: '127.0.0.1',
      port,
      path: '/primary',
      headers: { connection: 'Upgrade', upgrade: 'x' },
    })
    asked.on('error', () => undefined)
    asked.on('socket', (socket) => socket.once('connect', () => setImmediate(() => socket.resetAndDestroy())))
    asked.end()
    await closed(asked)
    expect((await open(edge(stage, 'nrt', '/primary'))).region).toBe('ams')
  })
})

test('a wrong option of an upgrade is told in every region, at home too', async () => {
  const server = createServer()
  const errors: unknown[] = []
  const pools = ['ams', 'nrt'].map((region) => ({
    topology: { region, primaryRegion: 'ams', hasReplica: true, isAtHome: region === 'ams' },
  })) satisfies Pick<RoutedPool, 'topology'>[]
  server.on('upgrade', (incoming, socket) => {
    for (const pool of pools) {
      try {
        replayUpgrade(pool, incoming, socket, { secret: 'short' })
      } catch (error) {
        errors.push(error)
      }
    }
    socket.destroy()
  })
  await listen(server)
  const { port } = server.address() as AddressInfo
  const asked = request({ host: '127.0.0.1', port, headers: { connection: 'Upgrade', upgrade: 'x' } })
  asked.on('error', () => undefined).end()
  await closed(asked)
  server.close()
  expect(errors.map((error) => error instanceof OptionsInvalid)).toEqual([true, true])
  expect(() => scopePerMessage({ headers: {} }, { secret: 'short' })).toThrow(OptionsInvalid)
})
