import { ensurePrimary, getToken, see, withConsistency, withPrimary } from '@headwater/core'
import type { TokenCarrierOptions } from '@headwater/http'
import type { RoutedPool } from '@headwater/pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { listen, REGIONS, type Region, SECRET, Stage } from '../stage.ts'
import { SCHEMA } from './data.ts'
import { frontOf } from './hosts.ts'
import { pgData } from './pg-data.ts'
import { hasRedis, Redis } from './redis.ts'

const TIMES = 40
const LAG_MILLIS = 400
const FRAMEWORKS = ['hono', 'express-5'] as const

/** Where the app keeps its users' tokens. */
const STORES: Readonly<Record<string, (pool: RoutedPool) => TokenCarrierOptions>> = {
  'a set in memory, as a store beside the app would keep it': () => ({
    load: ({ header }) => [...(SETS.get(header('x-user') ?? '') ?? [])],
    save: ({ header }, token, covered) => {
      const user = header('x-user') ?? ''
      const tokens = (SETS.get(user) ?? new Set()).add(token)
      for (const one of covered) tokens.delete(one)
      SETS.set(user, tokens)
    },
  }),
  "the app's own Postgres": (pool) => ({
    load: async ({ header }) => {
      const { rows } = await pool.query<{ token: string }>(
        "select token from user_token where user_id = $1 and saved > now() - interval '1 minute'",
        [header('x-user')],
      )
      return rows.map(({ token }) => token)
    },
    save: async ({ header }, token, covered) => {
      await pool.query(
        `with gone as (delete from user_token where user_id = $1 and (token = any($3) or saved < now() - interval '1 minute'))
         insert into user_token (user_id, token) values ($1, $2) on conflict do nothing`,
        [header('x-user') ?? '', token, covered],
      )
    },
  }),
}
const SETS = new Map<string, Set<string>>()

let redis: Redis | undefined
/** As in the README of `@headwater/http`. */
const redisStore = (store: Redis): TokenCarrierOptions => ({
  load: ({ header }) => store.sMembers(`seen:${header('x-user')}`),
  async save({ header }, token, covered) {
    const key = `seen:${header('x-user')}`
    await Promise.all([store.sAdd(key, token), store.expire(key, 60)])
    if (covered.length > 0) await store.sRem(key, [...covered])
  },
})

const TABLE = `create table user_token (user_id text, token text, saved timestamptz not null default now(), primary key (user_id, token));`

/** An app in each region, each with a replica next door that is behind: at home too. */
async function open(tokens: (pool: RoutedPool) => TokenCarrierOptions): Promise<Stage> {
  const stage = await Stage.open({
    schema: SCHEMA + TABLE,
    pool: (region, cluster) => ({
      replicas: cluster.replicas.map(({ url }) => ({ region, connectionString: url })),
    }),
    startApp: ({ pool }) => {
      const data = pgData.open(pool)
      const actions: Readonly<Record<string, (body: string) => Promise<unknown>>> = {
        write: (body) => data.write(body),
        find: (body) => data.find(body),
        link: async (body) => {
          await data.write(body)
          return await getToken({ secret: SECRET })
        },
        follow: async (body) => {
          const [note = '', token] = body.split(' ')
          see(token, { secret: SECRET })
          return await data.find(note)
        },
        strong: (body) => withConsistency('strong', () => data.find(body)),
        forced: (body) => withPrimary(() => data.find(body)),
        ensured: (body) => {
          ensurePrimary()
          return data.find(body)
        },
      }
      const endpoints = Object.entries(actions).map(([name, act]) => ({
        path: `/${name}`,
        isStreamed: false,
        handle: ({ body }: { readonly body: string }) => act(body),
      }))
      return listen(frontOf({ pool, secret: SECRET, earlyReplay: true, token: tokens(pool) }, endpoints))
    },
  })
  await stage.world.cluster.replicas[0]?.lag(LAG_MILLIS)
  return stage
}

/** A client: it has a user, and a jar or none. */
class Client {
  readonly #stage: Stage
  readonly #path: string
  readonly #user: string
  readonly #jar: Map<string, string> | undefined
  readonly region: Region

  constructor(stage: Stage, region: Region, framework: string, { user = '', hasJar = false } = {}) {
    this.#stage = stage
    this.region = region
    this.#path = `/${framework}`
    this.#user = user
    this.#jar = hasJar ? new Map() : undefined
  }

  async ask(action: string, body: string): Promise<unknown> {
    const isWrite = action === 'write' || action === 'link'
    const cookie = [...(this.#jar ?? [])].map(([name, value]) => `${name}=${value}`).join('; ')
    const response = await this.#stage.fetch(
      this.region,
      `${this.#path}/${action}${isWrite ? '' : `?body=${encodeURIComponent(body)}`}`,
      {
        headers: { 'x-user': this.#user, cookie },
        ...(isWrite ? { method: 'POST', body } : {}),
      },
    )
    expect(response.status).toBe(200)
    for (const set of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(set) ?? []
      if (set.includes('Max-Age=0;')) this.#jar?.delete(name)
      else this.#jar?.set(name, value)
    }
    return ((await response.json()) as { answer: unknown }).answer
  }
}

let made = 0
const newBody = (): string => `note-${++made}`
const sees = (answer: unknown): boolean => String(answer).endsWith(' sees 1')

/** Counts how often `attempt` saw its note. */
async function count(attempt: () => Promise<unknown>): Promise<number> {
  let seen = 0
  for (let time = 0; time < TIMES; time += 1) if (sees(await attempt())) seen += 1
  return seen
}

const PLACES = FRAMEWORKS.flatMap((framework) => REGIONS.map((region) => ({ framework, region })))

const REDIS = 'Redis (where redis-server is on the PATH)'

describe.each([...Object.keys(STORES), REDIS])('tokens by user, in %s', (name) => {
  if (name === REDIS && !hasRedis()) return test.skip('there is no redis-server on the PATH')
  let stage: Stage
  beforeAll(async () => {
    if (name === REDIS) redis = await Redis.start()
    const store = (pool: RoutedPool) => (redis === undefined ? STORES[name]?.(pool) : redisStore(redis))
    stage = await open((pool) => ({ cookie: false, header: false, ...store(pool) }))
  }, 60_000)
  afterAll(async () => {
    await stage?.[Symbol.asyncDispose]()
    await redis?.[Symbol.asyncDispose]()
  })

  test.each(PLACES)(
    'F8: a phone in $region and a laptop in nrt share no cookie, and each sees what the other wrote, through $framework',
    async ({ framework, region }) => {
      const user = `${framework} in ${region}`
      const phone = new Client(stage, region, framework, { user })
      const laptop = new Client(stage, 'nrt', framework, { user })
      const stranger = new Client(stage, 'nrt', framework, { user: `not ${user}` })
      let byPhone = true
      let missedByStranger = 0
      const seen = await count(async () => {
        const body = newBody()
        byPhone = !byPhone
        const [writer, reader] = byPhone ? [phone, laptop] : [laptop, phone]
        await writer.ask('write', body)
        const [answer, other] = await Promise.all([reader.ask('find', body), stranger.ask('find', body)])
        if (!sees(other)) missedByStranger += 1
        return answer
      })
      expect(seen).toBe(TIMES)
      // Else the replica was not behind, and nothing was shown.
      expect(missedByStranger).toBeGreaterThan(TIMES / 2)
    },
    120_000,
  )

  test('F8: ten writes of one user at once: the next client of that user sees all of them', async () => {
    const clientOf = (region: Region) => new Client(stage, region, 'hono', { user: 'busy' })
    const bodies = Array.from({ length: 10 }, newBody)
    await Promise.all(bodies.map((body, index) => clientOf(index % 2 === 0 ? 'ams' : 'nrt').ask('write', body)))
    const answers = await Promise.all(bodies.map((body) => clientOf('nrt').ask('find', body)))
    expect(answers.filter(sees)).toHaveLength(10)
  }, 60_000)
})

describe('tokens by client', () => {
  let stage: Stage
  beforeAll(async () => {
    stage = await open(() => ({}))
  }, 60_000)
  afterAll(() => stage?.[Symbol.asyncDispose]())

  test.each(PLACES)(
    'F8: a link with a token shows its reader in $region the note of its writer, and so does the next request of that reader, through $framework',
    async ({ framework, region }) => {
      const seen = await count(async () => {
        const body = newBody()
        const token = await new Client(stage, 'ams', framework).ask('link', body)
        const reader = new Client(stage, region, framework, { hasJar: true })
        const shown = await reader.ask('follow', `${body} ${String(token)}`)
        return sees(shown) ? reader.ask('find', body) : shown
      })
      expect(seen).toBe(TIMES)
    },
    120_000,
  )

  // At home ensurePrimary() leaves reads next door, as the replica has them.
  const shownIn = (region: Region) => (region === 'ams' ? ['strong', 'forced'] : ['strong', 'forced', 'ensured'])
  const SHOWN = PLACES.flatMap((place) => shownIn(place.region).map((action) => ({ ...place, action })))

  test.each(SHOWN)(
    'F9: what a read that is $action showed a stranger in $region is there in the next request, through $framework',
    async ({ framework, region, action }) => {
      let missedByOthers = 0
      const seen = await count(async () => {
        const body = newBody()
        await stage.world.admin.query("insert into note (body, region) values ($1, 'elsewhere')", [body])
        const reader = new Client(stage, region, framework, { hasJar: true })
        expect(await reader.ask(action, body)).toBe('primary sees 1')
        if (!sees(await new Client(stage, region, framework).ask('find', body))) missedByOthers += 1
        return reader.ask('find', body)
      })
      expect(seen).toBe(TIMES)
      expect(missedByOthers).toBeGreaterThan(TIMES / 2)
    },
    120_000,
  )
})
