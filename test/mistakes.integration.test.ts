import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { runInScope, Scope } from '@headwater/core'
import { forward } from '@headwater/http'
import { headwater, health } from '@headwater/http/express'
import { RoutedPool, type RoutedPoolOptions } from '@headwater/pg'
import { World } from '@headwater/test-world'
import express from 'express'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

/**
 * What a newcomer does wrong, and what is printed: each message names the variable or option and the value that it wants. Wrong servers
 * are in `packages/pg/test/report.integration.test.ts`, and wrong worlds before the app runs in the doctor's own tests.
 */
const SECRET = 'a secret of 32 characters or more'

let world: World
beforeAll(async () => {
  world = await World.start()
}, 120_000)
afterAll(() => world[Symbol.asyncDispose]())

/** All that a pool and its middleware say. */
class Heard {
  readonly said: string[] = []
  info = (line: string): void => void this.said.push(line)
  warn = (line: string): void => void this.said.push(line)
  /** The codes that were warned of. */
  get codes(): readonly string[] {
    return this.said.flatMap((line) => /HEADWATER_[A-Z_]+(?=: )/.exec(line) ?? [])
  }
}

/** What making a pool or a middleware says. */
function refusalOf(make: () => unknown): string {
  try {
    make()
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
  return 'nothing was said'
}

const url = 'postgres://app:hidden@db.example/app'
const pool = (options: RoutedPoolOptions) => () => new RoutedPool({ logger: false, ...options })
const topology = { region: 'nrt', primaryRegion: 'ams', isAtHome: false, hasReplica: true }
const middleware = (options: object) => () =>
  headwater({ pool: { topology, logger: false }, secret: SECRET, ...options })

describe('what is refused at the start', () => {
  test.each<[mistake: string, make: () => unknown, leads: RegExp]>([
    ['1: no HEADWATER_SECRET', middleware({ secret: '' }), /HEADWATER_SECRET .* same random value in every region/],
    ['1b: a short one', middleware({ secret: 'short' }), /16 characters or more.*HEADWATER_SECRET/],
    ['a short one among several', middleware({ secret: [SECRET, 'old'] }), /16 characters or more/],
    [
      '3d: replicas, a region, and no PRIMARY_REGION',
      pool({ region: 'nrt', primary: { connectionString: url }, replicas: [{ connectionString: url }] }),
      /primary\.region.*PRIMARY_REGION/,
    ],
    ['3f: a region in capitals', pool({ region: 'AMS' }), /"AMS" is not a region name.*such as "ams"/],
    [
      '5c: a URL without a scheme',
      pool({ primary: { connectionString: 'localhost:5433' } }),
      /primary\.connectionString: has no scheme.*postgres:\/\/user:password@host:port\/database/,
    ],
    [
      '5c: the same for a replica',
      pool({ replicas: [{ connectionString: 'db.nrt:5433/app' }] }),
      /replicas\[0\]\.connectionString: has no scheme/,
    ],
    ['a user and host without a scheme', pool({ connectionString: 'app:hidden@db/app' }), /has no scheme/],
    ['quotation marks that a file has kept', pool({ connectionString: `"${url}"` }), /begins with a quotation mark/],
    ['a blank before the URL', pool({ connectionString: ` ${url}` }), /begins with a blank/],
    [
      '6b: no DATABASE_URL, with regions',
      pool({ region: 'nrt', primary: { region: 'ams' } }),
      /primary\.connectionString: is missing.*127\.0\.0\.1:5432.*set DATABASE_URL/,
    ],
    [
      'a replica without an address',
      pool({ replicas: [{ region: 'nrt' }] }),
      /replicas\[0\].*connectionString, a host or port, or discover/,
    ],
    ['replicas that are no list', pool({ replicas: { connectionString: url } as never }), /replicas.*array/],
    ['bounded reads without a bound', pool({ consistency: 'bounded', connectionString: url }), /consistency.*maxLag/],
    ['routing that is not known', pool({ routing: 'auto' as never }), /routing.*"automatic" or "opt-in"/],
    ['a logger that is none', pool({ logger: 'console' as never }), /logger.*`info` and `warn`.*`false`/],
    ['a time in seconds', pool({ suspectAfterMillis: 1 }), /suspectAfterMillis.*50 to 60000 milliseconds/],
    ['no pool for the middleware', middleware({ pool: undefined }), /pool.*RoutedPool/],
    ['no pool for the health checks', () => health({} as never), /pool.*RoutedPool/],
    [
      'a path of health checks without a slash',
      () => health({ pool: { topology }, readyPath: 'ready' }),
      /readyPath.*"\/health"/,
    ],
    ['a limit that is no number', middleware({ bodyLimitBytes: '1mb' }), /bodyLimitBytes.*bytes/],
  ])('O1: %s', (_mistake, make, leads) => {
    const message = refusalOf(make)
    expect(message).toMatch(leads)
    expect(message).not.toContain('hidden')
  })

  test('O1: without regions nothing is asked for: no secret, no DATABASE_URL, and nothing is said', () => {
    const heard = new Heard()
    const plain = new RoutedPool({ logger: heard })
    expect(refusalOf(() => headwater({ pool: plain, secret: '' }))).toBe('nothing was said')
    expect(heard.said).toEqual([])
  })

  test('O1: with replicas and no secret that is said, once', () => {
    const heard = new Heard()
    const alone = {
      topology: { ...topology, region: undefined, primaryRegion: undefined, isAtHome: true },
      logger: heard,
    }
    headwater({ pool: alone, secret: '' })
    headwater({ pool: alone, secret: '' })
    expect(heard.said).toEqual([
      expect.stringMatching(/HEADWATER_NO_SECRET.*set HEADWATER_SECRET to the same random value/i),
    ])
  })

  test('O1: a body limit above what the proxy can replay', () => {
    const heard = new Heard()
    for (const bodyLimitBytes of [undefined, 1_000_000, 1_000_001]) {
      headwater({ pool: { topology, logger: heard }, secret: SECRET, bodyLimitBytes })
    }
    const replayTarget = forward({ regions: { ams: 'http://127.0.0.1:1' } })
    const unasked = new Heard()
    headwater({ pool: { topology, logger: unasked }, secret: SECRET, bodyLimitBytes: 10_000_000, replayTarget })
    expect(unasked.said).toEqual([])
    expect(heard.said).toEqual([
      expect.stringMatching(/HEADWATER_BODY_LIMITS: bodyLimitBytes is 1000001.*to 1000000 or less/),
    ])
  })
})

/** Starts an app on the real middleware; gives its URL. */
async function start(app: express.Express): Promise<{ readonly url: string; readonly server: Server }> {
  const server = createServer(app).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server }
}

interface Wrong {
  readonly heard: Heard
  readonly ask: (path: string, init?: RequestInit) => Promise<Response>
}

/** Runs an app in nrt over real servers; `isBehind`: the middleware stands behind the routes. */
async function inNrt(
  isBehind: boolean | 'missing',
  run: (wrong: Wrong) => Promise<void>,
  secret: string = SECRET,
): Promise<void> {
  const heard = new Heard()
  const routed = world.pool('nrt', { logger: heard })
  const app = express()
  if (isBehind === false) app.use(headwater({ pool: routed, secret }))
  app.all('/write', async (_request, response) => {
    await routed.query("insert into note (body) values ('m')")
    response.send('written')
  })
  app.get('/read', async (_request, response) => {
    await routed.query('select 1')
    response.send('read')
  })
  if (isBehind === true) app.use(headwater({ pool: routed, secret }))
  app.use(((error, _request, response, _next) => {
    response.status(500).send(error.message)
  }) satisfies express.ErrorRequestHandler)
  const { url: base, server } = await start(app)
  try {
    await run({ heard, ask: (path, init) => fetch(base + path, init) })
  } finally {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    await routed.end()
  }
}

const ON_FLY = { 'fly-region': 'nrt' }

describe('what is said while it runs', { timeout: 60_000 }, () => {
  test('O1: 0: nothing is wrong, and thousands of requests say the line and nothing else', () =>
    inNrt(false, async ({ heard, ask }) => {
      for (let round = 0; round < 20; round += 1) {
        await Promise.all(
          Array.from({ length: 100 }, (_, at) =>
            ask(at % 10 === 0 ? '/write' : '/read', { headers: ON_FLY, ...(at % 10 === 0 && { method: 'POST' }) }).then(
              (response) => response.text(),
            ),
          ),
        )
      }
      await expect.poll(() => heard.said.length, { timeout: 20_000 }).toBeGreaterThan(0)
      expect(heard.said).toEqual([expect.stringMatching(/^headwater: nrt → primary ams .*reads from .*standby/)])
    }))

  test.each([
    ['7: the middleware is missing', 'missing'],
    ['7b: the middleware is behind the routes', true],
  ] as const)('O1: %s', (_mistake, isBehind) =>
    inNrt(isBehind, async ({ heard, ask }) => {
      for (let times = 0; times < 3; times += 1)
        expect(await (await ask('/write', { method: 'POST' })).text()).toBe('written')
      expect(heard.codes.filter((code) => code === 'HEADWATER_WRITE_OUTSIDE_REQUEST')).toHaveLength(1)
      expect(heard.said.join()).toMatch(/is headwater\(\{ pool \}\) in use, and before the routes/)
    }),
  )

  test('O1: 2: another secret in another region', () =>
    inNrt(false, async ({ heard, ask }) => {
      const theirs = await tokenSealedWith('another secret of another region')
      for (let times = 0; times < 3; times += 1)
        await ask('/read', { headers: { ...ON_FLY, 'headwater-token': theirs } })
      expect(heard.codes.filter((code) => code === 'HEADWATER_SECRETS_DIFFER')).toHaveLength(1)
      expect(heard.said.join()).toMatch(/give every region and every instance the same HEADWATER_SECRET/)
    }))

  test('O1: 3: PRIMARY_REGION names a region where nobody is', () =>
    inNrt(false, async ({ heard, ask }) => {
      const failed = { ...ON_FLY, 'fly-replay-failed': 'instance=1;region=ams;reason=no_candidate' }
      for (let times = 0; times < 3; times += 1) {
        const answer = await ask('/write', { method: 'POST', headers: failed })
        expect(answer.status).toBe(503)
        expect(await answer.text()).toMatch(/primary region \(ams\) could not be reached.*PRIMARY_REGION is wrong/)
      }
      expect(heard.codes.filter((code) => code === 'HEADWATER_PRIMARY_REGION_SILENT')).toHaveLength(1)
      expect(heard.said.join()).toMatch(/PRIMARY_REGION, which is ams here, should name the region/)
    }))

  test('O1: 26: two regions that name each other, with one secret and with two', async () => {
    for (const other of [SECRET, 'another secret of another region']) {
      await inNrt(false, async ({ heard, ask }) => {
        const elsewhere = express().use(headwater({ pool: { topology, logger: false }, secret: other }))
        const { url: base, server } = await start(elsewhere)
        const order = await fetch(`${base}/write`, { method: 'POST', headers: ON_FLY })
        const state = /state=([^;]+)/.exec(order.headers.get('fly-replay') ?? '')?.[1]
        server.closeAllConnections()
        server.close()
        const replayed = { ...ON_FLY, 'fly-replay-src': `instance=1;region=ams;t=1;state=${state}` }
        const answer = await ask('/write', { method: 'POST', headers: replayed })
        expect(answer.status).toBeGreaterThanOrEqual(500)
        expect(await answer.text()).toMatch(/PRIMARY_REGION and HEADWATER_SECRET are the same in every region/)
        expect(heard.codes).toContain('HEADWATER_REGIONS_DISAGREE')
        expect(heard.said.join()).toMatch(
          /is in nrt and holds ams for the primary's region.*PRIMARY_REGION should be the same/,
        )
        expect(heard.codes.includes('HEADWATER_SECRETS_DIFFER')).toBe(other !== SECRET)
      })
    }
  })

  test('O1: 21: no proxy in front', () =>
    inNrt(false, async ({ heard, ask }) => {
      expect((await ask('/write', { method: 'POST' })).status).toBe(409)
      expect(heard.said.join()).toMatch(/HEADWATER_NO_PROXY.*@headwater\/fly-proxy/)
    }))

  test('O1: 12b: a job that may not write from here', async () => {
    const strict = world.pool('nrt', { logger: false, writesOutsideRequest: 'throw' })
    const refused = runInScope(new Scope(), () => strict.query("insert into note (body) values ('j')"))
    await expect(refused).rejects.toThrow(/run this job in the primary region, or set writesOutsideRequest to 'direct'/)
    await strict.end()
  })

  test('O1: 6: DATABASE_URL leads to a standby', async () => {
    const heard = new Heard()
    const wrong = world.pool('ams', {
      logger: heard,
      primary: { region: 'ams', connectionString: world.replica().url },
      replicas: [],
      promotionWaitMillis: 0,
    })
    await wrong.query("insert into note (body) values ('s')").catch(() => undefined)
    await expect.poll(() => heard.codes, { timeout: 20_000 }).toContain('HEADWATER_PRIMARY_IS_STANDBY')
    await wrong.end()
  })

  test('O1: two instances whose clocks are apart', () =>
    inNrt(false, async ({ heard, ask }) => {
      const { signState } = await import('../packages/http/src/replay/replay-state.ts')
      const state = signState([SECRET], { method: 'POST', url: '/write' }, 'write', Date.now() - 3_600_000)
      await ask('/write', {
        method: 'POST',
        headers: { ...ON_FLY, 'fly-replay-src': `instance=1;region=ams;t=1;state=${state}` },
      })
      expect(heard.said.join()).toMatch(/HEADWATER_CLOCKS_APART.*3600 s behind.*NTP/)
    }))
})

/** A token as an instance with another secret would give it. */
async function tokenSealedWith(secret: string): Promise<string> {
  const { signToken, toLsn } = await import('@headwater/core/internal')
  const now = Date.now()
  return signToken({ cluster: 7n, timeline: 1, lsn: toLsn(5n), node: 0, issuedAt: now, expires: now + 60_000 }, [
    secret,
  ])
}
