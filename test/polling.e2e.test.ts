import type { Server } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Wire } from '@headwater/cluster'
import { headwater } from '@headwater/http/hono'
import { openSlowWire } from '@headwater/test-world'
import { createAdaptorServer } from '@hono/node-server'
import { Hono } from 'hono'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CookieJar } from './proof/cookie-jar.ts'
import { type Instance, listen, SECRET, Stage } from './stage.ts'

// A browser in nrt that polls, at the real distance from ams, while strangers write there and the replicas lag.

const LAG_MILLIS = 400
/** Strangers write 20 times a second. */
const STRANGERS_PAUSE_MILLIS = 50
/** From nrt to ams, in ms. */
const ONE_WAY_MILLIS = 120
const CLIENTS = 6
const READS = 100

let stage: Stage
let wire: Wire | undefined
let isOver = false
let strangers: Promise<void> | undefined

beforeAll(async () => {
  stage = await Stage.open({
    startApp,
    proxy: { latency: 'real' },
    pool: async (region, { primary }) => {
      if (region === 'ams') return {}
      wire = await openSlowWire(primary.port, ONE_WAY_MILLIS)
      return { primary: { region: 'ams', connectionString: wire.url } }
    },
  })
  await stage.world.replica().lag(LAG_MILLIS)
  strangers = writeAsStrangers()
  // Until the monitor in nrt has measured the distance, and the first of their writes has had time to arrive.
  await sleep(3 * LAG_MILLIS)
})
afterAll(async () => {
  isOver = true
  await strangers
  await stage?.[Symbol.asyncDispose]()
  await wire?.[Symbol.asyncDispose]()
})

function startApp({ pool, region }: Instance): Promise<Server> {
  const app = new Hono()
  app.use(headwater({ pool, secret: SECRET }))
  app.get('/notes', async (context) => {
    await pool.query('select count(*) from note where region = $1', [region])
    return context.text(region)
  })
  app.post('/notes', async (context) => {
    await pool.query("insert into note (body, region) values ('mine', $1)", [region])
    return context.text(region)
  })
  return listen(createAdaptorServer(app) as Server)
}

async function writeAsStrangers(): Promise<void> {
  for (; !isOver; await sleep(STRANGERS_PAUSE_MILLIS)) {
    await stage.world.admin.query("insert into note (body) values ('theirs')")
  }
}

/** Writes once, then reads back to back. How many of its reads were answered in ams. */
async function countCrossings(): Promise<number> {
  const jar = new CookieJar()
  const ask = async (method: string): Promise<string> => {
    const cookie = jar.header(Date.now())
    const response = await stage.fetch('nrt', '/notes', { method, ...(cookie && { headers: { cookie } }) })
    jar.take(response.headers.getSetCookie(), Date.now())
    return response.text()
  }
  expect(await ask('POST')).toBe('ams')
  let crossings = 0
  for (let read = 0; read < READS; read += 1) if ((await ask('GET')) === 'ams') crossings += 1
  return crossings
}

test('F4, F5: a client that polls behind a lag of 400 ms, while others write 20 times a second, crosses once in 100 reads at most', async () => {
  let crossings = 0
  for (let client = 0; client < CLIENTS; client += 1) crossings += await countCrossings()
  expect(crossings / (CLIENTS * READS)).toBeLessThanOrEqual(0.01)
})
