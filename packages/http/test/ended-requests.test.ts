import { Agent, createServer } from 'node:http'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Hono } from 'hono'
import { expect, test } from 'vitest'
import { createLifecycle, type HeadwaterOptions, openNodeRequest } from '../src/adapter.ts'
import { headwater } from '../src/hono.ts'
import { send } from '../src/testing/send.ts'
import { listen } from '../src/testing/server.ts'

setFlagsFromString('--expose-gc')
const collect: (options: { type: 'minor' }) => void = runInNewContext('gc')

const OPTIONS: HeadwaterOptions = {
  pool: { topology: { region: 'nrt', primaryRegion: 'ams', isAtHome: false, hasReplica: true } },
  secret: 'a secret for tests only',
}
const REQUESTS = 150
const BALLAST_BYTES = 400_000

/** How many bytes of what requests have carried are left once the young ones were collected. */
async function leftBehind(serveOne: (ballast: object) => Promise<unknown>): Promise<number> {
  const collectYoung = (): void => {
    for (let time = 0; time < 3; time += 1) collect({ type: 'minor' })
  }
  await serveOne(new Array(BALLAST_BYTES / 8).fill(0.5))
  collectYoung()
  const before = process.memoryUsage().heapUsed
  for (let request = 0; request < REQUESTS; request += 1) {
    await serveOne(new Array(BALLAST_BYTES / 8).fill(0.5))
    if (request % 10 === 0) collectYoung()
  }
  await new Promise((resolve) => setImmediate(resolve))
  collectYoung()
  return process.memoryUsage().heapUsed - before
}

test('requests on a Node response are garbage once they have ended', async () => {
  const lifecycle = createLifecycle(OPTIONS)
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  let ballast: object = {}
  const server = createServer((request, response) => {
    const life = openNodeRequest(lifecycle, request, response)
    Object.assign(request, { ballast })
    life?.enter(() => response.end('done'))
  })
  await using running = await listen(server)
  const left = await leftBehind(async (one) => {
    ballast = one
    await send(running.port, '/', { agent })
    ballast = {}
  })
  agent.destroy()
  expect(left).toBeLessThan((REQUESTS * BALLAST_BYTES) / 5)
})

test('requests of Hono are garbage once they have ended', async () => {
  const app = new Hono().use(headwater(OPTIONS)).get('/', (context) => context.text('done'))
  const left = await leftBehind(async (ballast) => {
    const request = Object.assign(new Request('http://localhost/'), { ballast })
    await (await app.fetch(request)).text()
  })
  expect(left).toBeLessThan((REQUESTS * BALLAST_BYTES) / 5)
})
