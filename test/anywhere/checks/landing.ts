import { randomBytes } from 'node:crypto'
import { type Anywhere, AWAY_REGIONS } from '../anywhere.ts'
import type { Seen } from '../ask.ts'
import { describe, digestOf, type Finding, inParallel, newKey } from '../finding.ts'
import { FRAMEWORKS } from '../frameworks.ts'

/** The limit of a body that is replayed: `bodyLimitBytes` as it is by default. */
const LARGEST = 1_000_000
const SMALLEST = 10

/** POSTs of 10 B to 1 MB from two regions, a quarter chunked, 50 at once: each lands once, in the primary's region, byte for byte. */
export async function landsOnce(anywhere: Anywhere, posts: number): Promise<Finding> {
  const digests = new Map<string, string>()
  const seen = await inParallel(posts, 50, async (at) => {
    const body = randomBytes(Math.round(SMALLEST * (LARGEST / SMALLEST) ** (at / (posts - 1))))
    const key = newKey()
    digests.set(key, digestOf(body))
    const framework = FRAMEWORKS[at % FRAMEWORKS.length]
    const region = AWAY_REGIONS[at % AWAY_REGIONS.length] ?? 'nrt'
    return await anywhere.ask(region, `/${framework}/write?key=${key}`, { body, isChunked: at % 4 === 0 })
  })
  const landed = await anywhere.landed()
  const right = [...digests].filter(([key, digest]) => {
    const [only, ...more] = landed.get(key) ?? []
    return more.length === 0 && only?.digest === digest && only.region === 'ams'
  })
  return {
    check: 'POSTs landed once, whole',
    saw: `${right.length} of ${posts}; ${describe(seen)}`,
    isRight: right.length === posts && seen.every(({ status, isWhole }) => status === 200 && isWhole),
  }
}

/** A GET that writes late, in each framework and from each region. */
export async function replaysLate(anywhere: Anywhere): Promise<Finding> {
  const all = everywhere()
  const seen = await askAll(anywhere, all, 'GET')
  const landed = await anywhere.landed()
  const once = all.filter(({ key }) => landed.get(key)?.length === 1 && landed.get(key)?.[0]?.region === 'ams')
  return {
    check: 'GETs that write late, landed once',
    saw: `${once.length} of ${all.length}; ${describe(seen)}`,
    isRight: once.length === all.length && seen.every(({ status }) => status === 200),
  }
}

/** Reads are answered by the replica next door. */
export async function readsStay(anywhere: Anywhere): Promise<Finding> {
  const seen = await Promise.all(
    everywhere().map(async ({ region, framework }) => {
      const { body } = await anywhere.ask(region, `/${framework}/read`, { method: 'GET' })
      return { region, server: body }
    }),
  )
  const ways = [...new Set(seen.map(({ region, server }) => `${region} by ${server}`))].sort()
  return {
    check: 'who answers reads',
    saw: ways.join(', '),
    isRight: seen.every(({ region, server }) => server === region),
  }
}

/** A body over the limit, declared and chunked. */
export async function refusesLarge(anywhere: Anywhere): Promise<Finding> {
  const all = everywhere()
  const body = randomBytes(1_100_000)
  const seen = await askAll(anywhere, all, 'POST', { body })
  seen.push(...(await askAll(anywhere, all, 'POST', { body, isChunked: true })))
  const landed = await anywhere.landed()
  const rows = all.filter(({ key }) => landed.has(key)).length
  return {
    check: '1.1 MB, declared or chunked',
    saw: `${describe(seen)}; ${rows} landed`,
    isRight: rows === 0 && seen.every(({ status }) => status === 413),
  }
}

type One = ReturnType<typeof everywhere>[number]

/** One request of each framework in each region. */
function everywhere() {
  return AWAY_REGIONS.flatMap((region) => FRAMEWORKS.map((framework) => ({ region, framework, key: newKey() })))
}

function askAll(anywhere: Anywhere, all: readonly One[], method: 'GET' | 'POST', rest = {}): Promise<Seen[]> {
  return Promise.all(
    all.map(({ region, framework, key }) =>
      anywhere.ask(region, `/${framework}/write?key=${key}`, { method, ...rest }),
    ),
  )
}
