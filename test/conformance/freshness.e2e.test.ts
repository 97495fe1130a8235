import { type ReadPosition, signToken, type Token, verifyToken } from '@headwater/core/internal'
import type { RoutedPool, RoutedPoolOptions } from '@headwater/pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { listen, type Region, SECRET, Stage } from '../stage.ts'
import type { Data, DataAdapter } from './data.ts'
import { SCHEMA } from './data.ts'
import { loadDataAdapters } from './data-adapters.ts'
import { frontOf, HOSTS } from './hosts.ts'

const ADAPTERS = await loadDataAdapters()
const PAIRS = ADAPTERS.flatMap((adapter) =>
  Object.entries(HOSTS).map(([prefix, { name }]) => ({ adapter, prefix, data: adapter.name, framework: name })),
)
type Pair = (typeof PAIRS)[number]

/** What the handlers do; the note's text is in the request. */
const ACTIONS: Readonly<Record<string, (data: Data, body: string) => Promise<unknown>>> = {
  write: (data, body) => data.write(body),
  transact: (data, body) => data.transaction(body),
  find: (data, body) => data.find(body),
}

/** What a client carries from one response to its next request. */
interface Carried {
  readonly cookie: string
  readonly header: string
}

let stage: Stage

beforeAll(async () => {
  stage = await open({ maxWaitMillis: 300 })
  // The watcher's first look.
  const [pair] = PAIRS
  if (pair !== undefined) await find(pair, 'none', { headers: { cookie: (await write(pair, 'first', 'ams')).cookie } })
})
afterAll(() => stage?.[Symbol.asyncDispose]())

function open(pool: RoutedPoolOptions): Promise<Stage> {
  return Stage.open({
    schema: SCHEMA,
    pool: () => pool,
    startApp: (app) => listen(frontOf({ pool: app.pool, secret: SECRET, earlyReplay: false }, endpointsOf(app.pool))),
  })
}

function endpointsOf(pool: RoutedPool) {
  return ADAPTERS.flatMap((adapter, index) => {
    const data = adapter.open(pool)
    return Object.entries(ACTIONS).map(([name, act]) => ({
      path: `/${index}/${name}`,
      isStreamed: false,
      handle: ({ body }: { readonly body: string }) => act(data, body),
    }))
  })
}

const pathOf = ({ adapter, prefix }: Pair, action: string) =>
  `/${prefix}/${ADAPTERS.indexOf(adapter as DataAdapter)}/${action}`

async function write(pair: Pair, body: string, region: Region = 'nrt', action = 'write'): Promise<Carried> {
  const response = await stage.fetch(region, pathOf(pair, action), { method: 'POST', body })
  expect(response.status).toBe(200)
  await response.arrayBuffer()
  const [cookie] = response.headers.getSetCookie()
  const header = response.headers.get('headwater-token')
  expect(cookie).toMatch(/^headwater\.[\w-]{8}=[\w-]{68}; .*HttpOnly/i)
  expect(header).toMatch(/^[\w-]{68}$/)
  return { cookie: cookie?.split(';')[0] ?? '', header: header ?? '' }
}

/** Who answers a client in nrt, and what that server sees of its note. */
async function find(pair: Pair, body: string, init: RequestInit = {}, on: Stage = stage): Promise<unknown> {
  const response = await on.fetch('nrt', `${pathOf(pair, 'find')}?body=${encodeURIComponent(body)}`, init)
  expect(response.status).toBe(200)
  return ((await response.json()) as { answer: unknown }).answer
}

/** What the token in a cookie says was seen; `undefined`: it is none. */
function stateOf(cookie = ''): ReadPosition | undefined {
  const token = verifyToken(/=([^;]*)/.exec(cookie)?.[1], [SECRET], Date.now())
  return token && { cluster: token.cluster, timeline: token.timeline, lsn: token.lsn, node: token.node }
}

const carriedIn = ({ cookie, header }: Carried): readonly RequestInit[] => [
  { headers: { cookie } },
  { headers: { 'headwater-token': header } },
]

describe('F1: who wrote sees it, away from home', () => {
  test('with a replica that stands still: by a replay. Without a token: not', async () => {
    const replica = stage.world.cluster.replicas[0]
    await replica?.pauseReplay()
    const outcomes: Record<string, unknown> = {}
    const expected: Record<string, unknown> = {}
    try {
      const lookAt = async (pair: (typeof PAIRS)[number]): Promise<void> => {
        const name = `${pair.data} on ${pair.framework}`
        for (const action of ['write', 'transact']) {
          const body = `${name}, paused, ${action}`
          const carried = await write(pair, body, 'nrt', action)
          const [byCookie, byHeader] = carriedIn(carried)
          // Each waits in vain first; one carrier each is enough.
          const told = await find(pair, body, action === 'write' ? byCookie : byHeader)
          outcomes[`${name}, ${action}`] = [told, await find(pair, body)]
          expected[`${name}, ${action}`] = ['primary sees 1', 'nrt sees 0']
        }
      }
      await Promise.all(PAIRS.map(lookAt))
    } finally {
      await replica?.resumeReplay()
    }
    expect(outcomes).toEqual(expected)
    expect(Object.keys(outcomes)).toHaveLength(2 * PAIRS.length)
  })

  test.each(PAIRS)('next door, with $data on $framework, when the replica comes a moment later', async (pair) => {
    const body = `${pair.data} on ${pair.framework}, lagging`
    await stage.world.cluster.replicas[0]?.lag(40)
    try {
      for (const init of carriedIn(await write(pair, body))) expect(await find(pair, body, init)).toBe('nrt sees 1')
    } finally {
      await stage.world.cluster.replicas[0]?.lag(0)
    }
  })

  test.each(PAIRS)('F5: then stays where it has read, with $data on $framework', async (pair) => {
    const body = `${pair.data} on ${pair.framework}, staying`
    const { cookie } = await write(pair, body)
    await stage.world.cluster.waitUntilCaughtUp()
    const first = await stage.fetch('nrt', `${pathOf(pair, 'find')}?body=${encodeURIComponent(body)}`, {
      headers: { cookie },
    })
    expect(await first.json()).toEqual({ answer: 'nrt sees 1' })
    const [next] = first.headers.getSetCookie()
    expect(next).toMatch(/^headwater\./)
    expect(stateOf(next)?.node).toBeGreaterThan(0)
    // From there on nothing changes but the time of its mark; at home nobody can tell how far nrt was.
    const again = await stage.fetch('nrt', `${pathOf(pair, 'find')}?body=x`, {
      headers: { cookie: next?.split(';')[0] ?? '' },
    })
    expect(await again.json()).toEqual({ answer: 'nrt sees 0' })
    const [renewed] = again.headers.getSetCookie()
    if (renewed !== undefined) expect(stateOf(renewed)).toEqual(stateOf(next))
  })
})

describe('F3: a token that is not ours', () => {
  test.each(['', 'x', 'A'.repeat(90), '%', '"'])('%j is as none', async (value) => {
    const [pair] = PAIRS
    if (pair === undefined) throw new Error('unreachable')
    for (const headers of [{ cookie: `headwater.AAAAAAAA=${value}` }, { 'headwater-token': value }]) {
      expect(await find(pair, 'nobody', { headers })).toBe('nrt sees 0')
    }
  })
})

describe('F6: a replica that lags further than allowed', () => {
  let bounded: Stage
  beforeAll(async () => {
    bounded = await open({ consistency: 'bounded', maxLag: { bytes: 0 } })
  })
  afterAll(() => bounded?.[Symbol.asyncDispose]())
  const findsOf = async () => {
    const found: Record<string, unknown> = {}
    for (const pair of PAIRS) {
      found[`${pair.data} on ${pair.framework}`] = String(await find(pair, 'nobody', {}, bounded)).split(' ')[0]
    }
    return found
  }
  const all = (who: string) => Object.fromEntries(PAIRS.map(({ data, framework }) => [`${data} on ${framework}`, who]))

  test('is read from by nobody, whatever the framework and the library, token or not', async () => {
    await expect.poll(findsOf, { timeout: 10_000 }).toEqual(all('nrt'))
    await bounded.world.cluster.replicas[0]?.pauseReplay()
    try {
      await bounded.world.admin.query("insert into note (body, region) values ('unseen', 'ams')")
      await expect.poll(findsOf, { timeout: 10_000 }).toEqual(all('primary'))
    } finally {
      await bounded.world.cluster.replicas[0]?.resumeReplay()
    }
    await expect.poll(findsOf, { timeout: 10_000 }).toEqual(all('nrt'))
  })
})

describe('F7: a token from another history', () => {
  test.each(PAIRS)('reads at the primary, with $data on $framework', async (pair) => {
    const body = `${pair.data} on ${pair.framework}, promoted`
    const carried = await write(pair, body)
    await stage.world.cluster.waitUntilCaughtUp()
    const token = verifyToken(carried.header, [SECRET], Date.now())
    if (token === undefined) throw new Error('unreachable')
    // The same position in another database.
    const other: Token = { ...token, cluster: token.cluster + 1n }
    const headers = { 'headwater-token': signToken(other, [SECRET]) }
    expect(await find(pair, body, { headers })).toBe('primary sees 1')
    expect(await find(pair, body, { headers: { 'headwater-token': carried.header } })).toBe('nrt sees 1')
  })

  // The last one: what was heard of a later timeline is never forgotten.
  test('X7, F7: of a later timeline is believed in every region: a primary of an earlier one is not read from', async () => {
    const [pair] = PAIRS
    if (pair === undefined) throw new Error('unreachable')
    const carried = await write(pair, 'promoted elsewhere')
    const token = verifyToken(carried.header, [SECRET], Date.now())
    if (token === undefined) throw new Error('unreachable')
    const headers = { 'headwater-token': signToken({ ...token, timeline: token.timeline + 1 }, [SECRET]) }
    const response = await stage.fetch('nrt', `${pathOf(pair, 'find')}?body=promoted`, { headers })
    expect(response.status).toBe(503)
  })
})
