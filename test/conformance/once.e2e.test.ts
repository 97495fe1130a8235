import type { Server } from 'node:http'
import type { RequestFacts } from '@headwater/http'
import { headwater } from '@headwater/http/hono'
import type { RoutedPool } from '@headwater/pg'
import { createAdaptorServer } from '@hono/node-server'
import { Hono } from 'hono'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { listen, type Region, SECRET, Stage } from '../stage.ts'
import { type Endpoint, frontOf, HOSTS } from './hosts.ts'

// What a request does happens once, and no further away than it must: through the proxy, in every framework.

const INSERT = 'insert into note (body, region) values ($1, $2)'
const LARGE = 'x'.repeat(2_000_000)

/** Path lists, in a line each. */
const READS = ['/search', '/graphql']
const WRITES = ['/callback']
function earlyReplay({ url }: RequestFacts): 'always' | 'never' | undefined {
  const path = url.replace(/^\/[^/]+/, '')
  if (READS.some((prefix) => path.startsWith(prefix))) return 'never'
  return WRITES.some((prefix) => path.startsWith(prefix)) ? 'always' : undefined
}

/** Where the work of a handler began. */
const deeds: Region[] = []

function endpointsOf(pool: RoutedPool, region: Region): readonly Endpoint[] {
  const insert = (body: string) => pool.query(INSERT, [body, region])
  const endpoint = (path: string, act: (body: string) => Promise<unknown>): Endpoint => ({
    path,
    isStreamed: false,
    handle: async ({ body }) => {
      deeds.push(region)
      return act(body)
    },
  })
  return [
    endpoint('/charge', async (body) => (await insert(body)).rowCount),
    endpoint('/callback', async (body) => (await insert(body)).rowCount),
    endpoint('/search', async () => (await pool.query('select who from server')).rows[0]?.who),
    endpoint('/graphql', async (body) => (await insert(body)).rowCount),
    endpoint('/upload', async (body) => (await insert(`${body.length} of ${body.slice(0, 20)}`)).rowCount),
  ]
}

let stage: Stage
/** The same with `tooLarge: 'direct'`. */
let direct: Stage

beforeAll(async () => {
  ;[stage, direct] = (await Promise.all(
    (['refuse', 'direct'] as const).map((tooLarge) =>
      Stage.open({
        startApp: ({ pool, region }) =>
          listen(frontOf({ pool, secret: SECRET, earlyReplay, tooLarge }, endpointsOf(pool, region))),
      }),
    ),
  )) as [Stage, Stage]
})
afterAll(() => Promise.all([stage?.[Symbol.asyncDispose](), direct?.[Symbol.asyncDispose]()]))
beforeEach(() => {
  deeds.length = 0
})

const regionsOf = async (at: Stage) => (await at.way()).hops.map(({ region }) => region)

describe.each(Object.entries(HOSTS))('%s', (prefix) => {
  const post = (path: string, body: string, init: RequestInit = {}, at = stage) =>
    at.fetch('nrt', `/${prefix}${path}`, { method: 'POST', body, ...init })

  test('P5: of 200 POSTs that charge and then write each charges once, the first too', async () => {
    const body = `${prefix} charge`
    for (let round = 0; round < 20; round += 1) {
      const answers = await Promise.all(Array.from({ length: 10 }, () => post('/charge', body)))
      expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 200))
      await Promise.all(answers.map((answer) => answer.text()))
    }
    expect(await stage.notes(body)).toHaveLength(200)
    expect([deeds.length, new Set(deeds)]).toEqual([200, new Set(['ams'])])
  })

  test('P5: a POST that only reads stays, from the first on, where the app says never', async () => {
    for (let n = 0; n < 25; n += 1) expect(await (await post('/search', 'words')).json()).toEqual({ answer: 'nrt' })
    expect(deeds).toEqual(Array.from({ length: 25 }, () => 'nrt'))
    // One that writes after all is replayed then, and what the record of its path is makes no difference.
    for (const body of [`${prefix} mutation 1`, `${prefix} mutation 2`]) {
      expect((await post('/graphql', body)).status).toBe(200)
      expect(await stage.notes(body)).toEqual(['ams'])
    }
    expect(deeds.slice(25)).toEqual(['nrt', 'ams', 'nrt', 'ams'])
  })

  test('P5: a GET that the app says always of does its work once, the first time too', async () => {
    const body = `${prefix} callback`
    expect((await stage.fetch('nrt', `/${prefix}/callback?body=${encodeURIComponent(body)}`)).status).toBe(200)
    expect([await stage.notes(body), deeds]).toEqual([['ams'], ['ams']])
  })

  test('P4: an upload over the limit is told which header leads to the primary, and lands there with it', async () => {
    const body = `${prefix} steered ${LARGE}`
    const refused = await post('/upload', body)
    const region = refused.headers.get('fly-prefer-region') ?? ''
    expect([refused.status, region]).toEqual([413, 'ams'])
    await stage.way()
    const sent = await post('/upload', body, { headers: { 'fly-prefer-region': region } })
    expect([sent.status, await regionsOf(stage)]).toEqual([200, ['ams']])
    expect(await stage.notes(`${body.length} of ${body.slice(0, 20)}`)).toEqual(['ams'])
  })

  test('P6: an upload over the limit is written over the network with tooLarge: direct, and its client reads it', async () => {
    const body = `${prefix} direct ${LARGE}`
    const sent = await post('/upload', body, {}, direct)
    expect([sent.status, await regionsOf(direct)]).toEqual([200, ['nrt']])
    expect(await direct.notes(`${body.length} of ${body.slice(0, 20)}`)).toEqual(['nrt'])
    expect(sent.headers.get('headwater-token')).not.toBeNull()
    // What is not too large is replayed as ever.
    const small = `${prefix} small`
    expect((await post('/upload', small, {}, direct)).status).toBe(200)
    expect(await direct.notes(`${small.length} of ${small.slice(0, 20)}`)).toEqual(['ams'])
  })
})

describe('a recipe', () => {
  /** The primary's region takes the upload; every other one passes it on as it comes, and holds none of it. */
  function uploads({ pool, region, edge }: { pool: RoutedPool; region: Region; edge: () => string }): Server {
    const app = new Hono()
    app.use(headwater({ pool, secret: SECRET }))
    app.post('/upload', async (c) => {
      const { isAtHome, primaryRegion = '' } = pool.topology
      if (isAtHome) {
        const { length } = await c.req.text()
        await pool.query(INSERT, [`forwarded ${length}`, region])
        return c.json({ length })
      }
      // A second hop would be a loop: two regions that disagree about the primary.
      if (c.req.header('x-upload-hop') !== undefined) return c.text('no region is the primary’s', 508)
      const headers = new Headers({ 'fly-force-region': primaryRegion, 'x-upload-hop': '1' })
      headers.set('content-type', c.req.header('content-type') ?? 'application/octet-stream')
      return fetch(new Request(`${edge()}/upload`, c.req.raw), { headers })
    })
    return createAdaptorServer(app) as Server
  }

  test('P4: an upload of any size is forwarded to the primary’s region, and written once', async () => {
    let edge = ''
    await using world = await Stage.open({
      startApp: ({ pool, region }) => listen(uploads({ pool, region, edge: () => edge })),
    })
    edge = world.proxy.edge('nrt').url
    const sent = await world.fetch('nrt', '/upload', { method: 'POST', body: LARGE })
    expect([sent.status, await sent.json()]).toEqual([200, { length: LARGE.length }])
    expect(await world.notes(`forwarded ${LARGE.length}`)).toEqual(['ams'])
  })
})
