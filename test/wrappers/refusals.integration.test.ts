import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { currentScope, findReplay, isReplay, needsPrimary } from '@headwater/core'
import type { HeadwaterOptions } from '@headwater/http'
import { headwater, replayErrorHandler } from '@headwater/http/express'
import type { RoutedPool } from '@headwater/pg'
import { World } from '@headwater/test-world'
import { createTransport } from '@sentry/core'
import { ServerRuntimeClient } from '@sentry/core/server'
import express from 'express'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { generatePrisma, type Prisma } from '../peers/prisma-client.ts'
import { type Notes, type OpenNotes, openKnex, openMikroOrm, openPg, openPrisma } from './data-layers.ts'
import { HOSTS } from './graphql-hosts.ts'

let world: World
let prisma: Prisma
/** Where a server was, and is no more: nothing listens on port 1. */
const GONE = 'postgres://postgres@127.0.0.1:1/postgres'
const SECRET = 'a secret of the wrappers, long enough'
/** A replay of this request has failed. */
const FAILED = { 'fly-replay-failed': 'instance=1;region=ams;reason=no_candidate' }

/** Away, away once a replay has failed, and at home without a primary. */
let away: RoutedPool
let orphan: RoutedPool
/** At home, with one primary. */
let home: RoutedPool

beforeAll(async () => {
  ;[world, prisma] = await Promise.all([World.start(), generatePrisma()])
  away = await world.informedPool('nrt')
  home = world.pool('ams', { replicas: [], catalog: false })
  orphan = world.pool('ams', { primary: { region: 'ams', connectionString: GONE }, promotionWaitMillis: 0 })
})

afterAll(async () => {
  await world?.[Symbol.asyncDispose]()
  await prisma?.[Symbol.asyncDispose]()
})

interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
}

/** Posts once to an Express app behind our middleware. */
async function post(
  route: express.Router,
  options: Pick<HeadwaterOptions, 'pool'> & Partial<HeadwaterOptions>,
  request: { readonly headers?: Record<string, string>; readonly body?: unknown; readonly path?: string } = {},
  after?: (app: express.Express) => void,
): Promise<Answer> {
  const app = express()
  app.set('env', 'test')
  app.use(headwater({ secret: SECRET, earlyReplay: false, retryAfterSeconds: 7, ...options }))
  app.use('/write', route)
  after?.(app)
  const server = createServer(app)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    const response = await fetch(
      `http://127.0.0.1:${(server.address() as AddressInfo).port}/write${request.path ?? ''}`,
      {
        method: 'POST',
        headers: { 'fly-request-id': '1', 'content-type': 'application/json', ...request.headers },
        ...(request.body !== undefined && { body: JSON.stringify(request.body) }),
        signal: AbortSignal.timeout(10_000),
      },
    )
    return { status: response.status, headers: response.headers, text: await response.text() }
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

const isRefusal = ({ status, headers }: Answer): void =>
  expect([status, headers.get('retry-after'), headers.get('cache-control')]).toEqual([503, '7', 'no-store'])
const isReplayed = ({ status, headers }: Answer): void =>
  expect([status, headers.get('fly-replay')]).toEqual([409, expect.stringMatching(/^region=ams;/)])

const LAYERS: readonly (readonly [string, () => OpenNotes])[] = [
  ['pg', () => openPg],
  ['Prisma', () => openPrisma(prisma)],
  ['Knex', () => openKnex],
  ['MikroORM', () => openMikroOrm],
]

describe.each(LAYERS)('through %s', (name, layer) => {
  /** Runs with the data layer open over a pool. */
  async function over<Result>(pool: RoutedPool, run: (notes: Notes) => Promise<Result>): Promise<Result> {
    const notes = await layer()(pool)
    try {
      return await run(notes)
    } finally {
      await notes.close()
    }
  }

  /** A route that writes, and hides what it meets as a framework would. */
  const writing = (notes: Notes): express.Router =>
    express.Router().use((_request, response) => {
      notes.write(name).then(
        () => response.json('written'),
        () => response.status(500).json('Internal Server Error'),
      )
    })

  test('P3: a write away from home is replayed', () =>
    over(away, async (notes) => isReplayed(await post(writing(notes), { pool: away }))))

  test('P10: a write after a failed replay is a 503, with the app’s own page', () =>
    over(away, async (notes) => {
      const answer = await post(writing(notes), { pool: away }, { headers: FAILED })
      isRefusal(answer)
      expect(answer.text).toBe('"Internal Server Error"')
    }))

  test('P10: a write without a primary is a 503', () =>
    over(orphan, async (notes) => isRefusal(await post(writing(notes), { pool: orphan }))))

  test('X6, P10: a write that was rolled back with its session is a 503, unless the request has committed before', () =>
    over(home, async (notes) => {
      for (const hasCommitted of [false, true]) {
        const route = express.Router().use((_request, response) => {
          const before = hasCommitted ? home.query("insert into note (body) values ('kept')") : Promise.resolve()
          before
            .then(() => whileSessionsEnd(() => notes.write(name)))
            .catch(() => response.status(500).json('Internal Server Error'))
        })
        const answer = await post(route, { pool: home })
        if (hasCommitted) expect([answer.status, answer.headers.get('retry-after')]).toEqual([500, null])
        else isRefusal(answer)
      }
    }))

  test('P10: Express’s own error page gets it too', () =>
    over(orphan, async (notes) => {
      const throwing = express.Router().use((_request, _response, next) => {
        notes.write(name).then(() => next(), next)
      })
      isRefusal(await post(throwing, { pool: orphan }))
    }))

  test('P3: a later query of a spent scope meets a clean error, whatever the library wrote into the first', () =>
    over(away, async (notes) => {
      const met: unknown[] = []
      const twice = express.Router().use((_request, response) => {
        const attempt = () => notes.write(name).catch((error: unknown) => void met.push(error))
        void attempt()
          .then(attempt)
          .then(() => void met.push(currentScope()?.replay))
          .then(() => response.json('done'))
      })
      isReplayed(await post(twice, { pool: away }))
      expect(met).toHaveLength(3)
      expect(met.slice(0, 2).map((error) => isReplay(error))).toEqual([true, true])
      expect(String((met[2] as Error).message)).toMatch(
        /^\[headwater\] this request needs the primary in ams \(write\)/,
      )
      const texts = met.slice(0, 2).map((error) => String((error as Error).message))
      for (const text of texts) expect(text.split('this request needs the primary').length).toBeLessThanOrEqual(2)
    }))

  test('P3: a replay met late reaches no error handler and no Sentry', () =>
    over(away, async (notes) => {
      const handled: unknown[] = []
      const { client, sent } = sentry()
      const throwing = express.Router().use((_request, _response, next) => {
        notes.write(name).then(
          () => next(),
          (error: unknown) => {
            client.captureException(error)
            next(error)
          },
        )
      })
      const answer = await post(throwing, { pool: away }, {}, (app) => {
        app.use(replayErrorHandler())
        const onError: express.ErrorRequestHandler = (error, _request, response, _next) => {
          handled.push(error)
          response.status(500).end()
        }
        app.use(onError)
      })
      isReplayed(answer)
      client.captureException(new Error('its own'))
      await client.flush(1000)
      expect([handled.length, sent]).toEqual([0, ['its own']])
    }))
})

/** Ends the session of a write, as an operator does, while it waits for a lock. */
async function whileSessionsEnd(write: () => Promise<unknown>): Promise<void> {
  const locker = await world.admin.connect()
  try {
    await locker.query('begin; lock table note in share mode')
    // Knex's own promise would write once for each who looks at it.
    const written = Promise.resolve().then(write)
    written.catch(() => undefined)
    const end = "select pg_terminate_backend(pid) from pg_stat_activity where wait_event_type = 'Lock'"
    await expect.poll(async () => (await world.admin.query(end)).rowCount, { interval: 20 }).toBe(1)
    await written
  } finally {
    await locker.query('rollback')
    locker.release()
  }
}

/** Sentry's client with the documented line; what it would have sent. */
function sentry(): { readonly client: ServerRuntimeClient; readonly sent: (string | undefined)[] } {
  const sent: (string | undefined)[] = []
  const client = new ServerRuntimeClient({
    dsn: 'http://key@127.0.0.1/1',
    integrations: [],
    stackParser: () => [],
    transport: (options) => createTransport(options, async () => ({ statusCode: 200 })),
    beforeSend(event, hint) {
      if (isReplay(hint.originalException)) return null
      sent.push(event.exception?.values?.[0]?.value)
      return null
    },
  })
  client.init()
  return { client, sent }
}

describe.each(HOSTS)('in $name', ({ status, body, path, route }) => {
  const writing = (pool: RoutedPool) => route(() => pool.query("insert into note (body) values ('hosts')"))
  const request = { body, path }

  test('P3: a write away from home is replayed', async () => {
    isReplayed(await post(await writing(away), { pool: away }, request))
  })

  test('P10: a refusal has its status where the framework makes it an error, and everywhere with refusals: always', async () => {
    const asIs = await post(await writing(orphan), { pool: orphan, refusals: 'never' }, request)
    expect(asIs.status).toBe(status)
    const answer = await post(await writing(orphan), { pool: orphan }, request)
    if (status === 500) isRefusal(answer)
    else expect(answer.status).toBe(status)
    const always = await post(await writing(orphan), { pool: orphan, refusals: 'always' }, request)
    isRefusal(always)
    expect(always.text).toMatch(/error/)
  })
})

test('P2: what Prisma’s own connections are refused is handed over by replayOn, also for a table that is not here yet', async () => {
  const replica = world.replica()
  const client = new prisma.PrismaClient({ adapter: new prisma.PrismaPg({ connectionString: replica.url }) })
  const writing = (write: () => Promise<unknown>): express.Router =>
    express.Router().use((_request, _response, next) => {
      write().then(() => next(), next)
    })
  const handed = (write: () => Promise<unknown>, options: Partial<HeadwaterOptions>) =>
    post(writing(write), { pool: away, ...options }, {}, (app) => app.use(replayErrorHandler()))
  try {
    const create = () => client.note.create({ data: { body: 'prisma' } })
    isReplayed(await handed(create, { replayOn: needsPrimary }))
    isReplayed(
      await handed(() => client.$executeRawUnsafe("insert into note (body) values ('raw')"), {
        replayOn: needsPrimary,
      }),
    )
    // The world has no such table.
    isReplayed(await handed(() => client.writing.findFirst(), { replayOn: needsPrimary }))
    expect((await handed(create, {})).status).toBe(500)
    const error: unknown = await create().catch((reason: unknown) => reason)
    expect([findReplay(error), needsPrimary(error)]).toEqual([undefined, true])
  } finally {
    await client.$disconnect()
  }
  expect(await world.notes('prisma')).toBe(0)
})
