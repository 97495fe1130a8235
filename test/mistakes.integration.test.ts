import { realpathSync } from 'node:fs'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { createServer, request, type Server } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { isReplay, runInScope, Scope } from '@headwater/core'
import { noteCopy, signToken, toLsn } from '@headwater/core/internal'
import { forward } from '@headwater/http'
import { headwater, health } from '@headwater/http/express'
import { RoutedPool, type RoutedPoolOptions } from '@headwater/pg'
import { World } from '@headwater/test-world'
import connectPgSimple from 'connect-pg-simple'
import express from 'express'
import session from 'express-session'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'

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
      'a list of key=value with a blank in a value',
      pool({ connectionString: 'host=db dbname=my app' }),
      /no list of keywords and values.*name='value'/,
    ],
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
  readonly routed: RoutedPool
  readonly server: Server
  readonly ask: (path: string, init?: RequestInit) => Promise<Response>
}

/** Runs an app of `region` over real servers. Behind its routes is what many an app has: one handler that answers each error with 500. */
async function withApp(
  region: 'ams' | 'nrt',
  routes: (app: express.Express, routed: RoutedPool) => void,
  run: (wrong: Wrong) => Promise<void>,
  options: RoutedPoolOptions = {},
): Promise<void> {
  const heard = new Heard()
  const routed = world.pool(region, { logger: heard, ...options })
  const app = express()
  routes(app, routed)
  app.use(((error, _request, response, _next) => {
    if (!response.headersSent) response.status(500)
    response.end(error.message)
  }) satisfies express.ErrorRequestHandler)
  const { url: base, server } = await start(app)
  try {
    await run({ heard, routed, server, ask: (path, init) => fetch(base + path, init) })
  } finally {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    await routed.end()
  }
}

/** Runs an app in nrt; `isBehind`: the middleware stands behind the routes. */
function inNrt(isBehind: boolean | 'missing', run: (wrong: Wrong) => Promise<void>): Promise<void> {
  return withApp(
    'nrt',
    (app, routed) => {
      if (isBehind === false) app.use(headwater({ pool: routed, secret: SECRET }))
      app.all('/write', async (_request, response) => {
        await routed.query("insert into note (body) values ('m')")
        response.send('written')
      })
      app.get('/read', async (_request, response) => {
        await routed.query('select 1')
        response.send('read')
      })
      if (isBehind === true) app.use(headwater({ pool: routed, secret: SECRET }))
    },
    run,
  )
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
      await inNrt(false, async ({ heard, ask, routed }) => {
        await ask('/read', { headers: ON_FLY })
        // It knows as much of the primary as this one: a state that knew less could be one from before a promotion.
        await expect.poll(() => routed.topology.timeline).toBe(1)
        const known = {
          topology: { ...topology, cluster: routed.topology.cluster, timeline: 1 },
          logger: false as const,
        }
        const elsewhere = express().use(headwater({ pool: known, secret: other }))
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

  test.each([
    ['refused', 3_600_000],
    ['taken', 40_000],
  ])('O1: a token from the future is %s: the clock that made it is told of', (_fate, ahead) =>
    inNrt(false, async ({ heard, ask }) => {
      const issuedAt = Date.now() + ahead
      const position = { cluster: 1n, timeline: 1, lsn: toLsn(1n), node: 0 }
      const token = signToken({ ...position, issuedAt, expires: issuedAt + 60_000 }, [SECRET])
      await ask('/read', { headers: { ...ON_FLY, 'headwater-token': token } })
      await ask('/read', { headers: { ...ON_FLY, 'headwater-token': token } })
      const said = heard.said.filter((line) => line.includes('HEADWATER_CLOCKS_APART'))
      expect(said).toEqual([expect.stringMatching(/made a token .* is (3600|3599|40|39) s ahead.*NTP/)])
    }),
  )
})

const insert = (routed: RoutedPool, body: string) => routed.query('insert into note (body) values ($1)', [body])
const POST: RequestInit = { method: 'POST', headers: ON_FLY }
const asJson = (body: object): RequestInit => ({
  method: 'POST',
  headers: { ...ON_FLY, 'content-type': 'application/json' },
  body: JSON.stringify(body),
})
/** What is said beside the line at the start. */
const complaints = ({ said }: Heard) => said.filter((line) => !/^headwater: \w+ → primary/.test(line))

describe('what is done in the code of the app', { timeout: 60_000 }, () => {
  test('O1: 8: the middleware twice, which is harmless: one replay, and nothing is said', () =>
    withApp(
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

/** A token as an instance with another secret would give it. */
async function tokenSealedWith(secret: string): Promise<string> {
  const { signToken, toLsn } = await import('@headwater/core/internal')
  const now = Date.now()
  return signToken({ cluster: 7n, timeline: 1, lsn: toLsn(5n), node: 0, issuedAt: now, expires: now + 60_000 }, [
    secret,
  ])
}
