import { setTimeout as sleep } from 'node:timers/promises'
import { type Answer, type Anywhere, type Asked, digestOf, textOf } from './anywhere.ts'

/** What one check saw, in words for the table, and whether it is right. */
export interface Finding {
  readonly check: string
  readonly saw: string
  readonly isRight: boolean
}

export interface Sizes {
  readonly posts: number
  readonly forged: number
}

/** Short, for CI; whole, for the command. */
export const SHORT: Sizes = { posts: 120, forged: 200 }
export const WHOLE: Sizes = { posts: 1_000, forged: 10_000 }

const LARGEST = 900_000

/** Runs `work` for each number below `count`, `atOnce` at a time. */
async function inParallel<Result>(
  count: number,
  atOnce: number,
  work: (at: number) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = []
  let next = 0
  const lane = async () => {
    for (let at = next++; at < count; at = next++) results[at] = await work(at)
  }
  await Promise.all(Array.from({ length: atOnce }, lane))
  return results
}

/** POSTs of 10 B to 900 kB, a quarter chunked, 50 at once: each lands once, in the primary's region, byte for byte. */
export async function landsOnce(anywhere: Anywhere, posts: number): Promise<Finding> {
  const { frameworks } = anywhere
  const bodies = new Map<string, string>()
  const answers = await inParallel(posts, 50, async (at) => {
    const length = Math.max(24, Math.round(10 * (LARGEST / 10) ** (at / posts)))
    const body = textOf(length)
    bodies.set(body.slice(0, 24), digestOf(body))
    const framework = frameworks[at % frameworks.length]
    return await anywhere.ask(`/${framework}/write?n=${at}`, { body, isChunked: at % 4 === 0 })
  })
  const landed = await anywhere.landed()
  let once = 0
  for (const [key, digest] of bodies) {
    const landings = landed.get(key) ?? []
    if (landings.length === 1 && landings[0]?.digest === digest && landings[0].region === 'ams') once += 1
  }
  const answered = answers.filter(({ status }) => status === 200).length
  return {
    check: 'POSTs landed once, whole',
    saw: `${once} of ${posts}`,
    isRight: once === posts && answered === posts,
  }
}

/** A GET that writes late, in each framework. */
export async function replaysLate(anywhere: Anywhere): Promise<Finding> {
  const statuses = await eachFramework(anywhere, (framework) =>
    anywhere.ask(`/${framework}/visit?body=late-${framework}`, { method: 'GET' }),
  )
  const landed = await anywhere.landed()
  const once = anywhere.frameworks.filter((framework) => {
    const landings = landed.get(`late-${framework}`) ?? []
    return landings.length === 1 && landings[0]?.region === 'ams'
  })
  return {
    check: 'a GET that writes late',
    saw: `${once.length} of ${anywhere.frameworks.length}`,
    isRight: once.length === anywhere.frameworks.length && statuses.every(({ status }) => status === 200),
  }
}

/** Reads stay next door. */
export async function readsStay(anywhere: Anywhere): Promise<Finding> {
  const answers = await eachFramework(anywhere, (framework) => anywhere.ask(`/${framework}/read`, { method: 'GET' }))
  const servers = [...new Set(answers.map(({ body }) => body))]
  return { check: 'reads', saw: 'next door', isRight: servers.length === 1 && servers[0] === '{"answer":"nrt"}' }
}

/** A body over the limit. */
export async function refusesLarge(anywhere: Anywhere): Promise<Finding> {
  const body = textOf(1_100_000)
  const statuses = new Set<number>()
  for (const isChunked of [false, true]) {
    const answers = await eachFramework(anywhere, (framework) =>
      anywhere.ask(`/${framework}/write`, { body, isChunked }),
    )
    for (const { status } of answers) statuses.add(status)
  }
  const landed = (await anywhere.landed()).has(body.slice(0, 24))
  return {
    check: '1.1 MB, declared or chunked',
    saw: [...statuses].join(', '),
    isRight: !landed && statuses.size === 1 && statuses.has(413),
  }
}

/** The app of the primary's region is gone: reads work, writes are told to come back. */
export async function degrades(anywhere: Anywhere): Promise<Finding> {
  const { frameworks } = anywhere
  const [writes, reads] = await anywhere.withoutPrimaryApp(async () => [
    await eachFramework(anywhere, (framework) => anywhere.ask(`/${framework}/write`, { body: textOf(1000) })),
    await eachFramework(anywhere, (framework) => anywhere.ask(`/${framework}/read`, { method: 'GET' })),
  ])
  const refused = writes.filter(({ status, header }) => status === 503 && header('retry-after') === '1')
  const read = reads.filter(({ status }) => status === 200)
  return {
    check: "the primary's region has no app",
    saw: `${describe(writes)}; reads ${describe(reads)}`,
    isRight: refused.length === frameworks.length && read.length === frameworks.length,
  }
}

/** The app of the primary's region dies behind the COMMIT: nobody may be told to try again. */
export async function tellsUnknown(anywhere: Anywhere): Promise<Finding> {
  const bodies = anywhere.frameworks.map(() => textOf(100))
  const answers: Answer[] = []
  await untilBack(anywhere)
  // One by one: each takes the connections of all with it.
  for (const [at, framework] of anywhere.frameworks.entries()) {
    answers.push(await anywhere.ask(`/${framework}/die`, { body: bodies[at] ?? '' }))
    await untilBack(anywhere)
  }
  const landed = await anywhere.landed()
  const isOnce = bodies.every((body) => landed.get(body.slice(0, 24))?.length === 1)
  const invites = answers.filter(({ status, header }) => status === 503 || header('retry-after') !== undefined)
  return {
    check: 'its app dies behind the COMMIT',
    saw: `${describe(answers)}, no Retry-After, one row`,
    isRight: isOnce && invites.length === 0 && answers.every(({ status }) => status >= 500),
  }
}

/** The proxy finds out that its connections are gone. */
async function untilBack(anywhere: Anywhere): Promise<void> {
  for (let rights = 0, tries = 0; rights < 5 && tries < 100; tries += 1) {
    const { status } = await anywhere.ask('/koa-3/write', { body: textOf(100) })
    rights = status === 200 ? rights + 1 : 0
    // A region that was found dead is asked again after two seconds.
    if (status !== 200) await sleep(50)
  }
}

/** What clients invent: nothing lands twice, elsewhere, or is read as a hop. */
export async function ignoresForgeries(anywhere: Anywhere, forged: number): Promise<Finding> {
  const { frameworks } = anywhere
  const keys: string[] = []
  const statuses = await inParallel(forged, 50, async (at) => {
    const body = textOf(24)
    keys.push(body)
    const asked: Asked = { body, headers: FORGERIES[at % FORGERIES.length]?.(at) ?? {} }
    return (await anywhere.ask(`/${frameworks[at % frameworks.length]}/write?n=${at}`, asked)).status
  })
  const landed = await anywhere.landed()
  const wrong = keys.filter((key) => {
    const landings = landed.get(key) ?? []
    return landings.length > 1 || landings.some(({ region }) => region !== 'ams')
  })
  const others = statuses.filter((status) => status !== 200 && status !== 503)
  const refused = statuses.filter((status) => status === 503).length
  return {
    check: 'forged headers',
    saw:
      others.length > 0
        ? [...new Set(others)].join(', ')
        : refused === 0
          ? 'steer nothing'
          : 'refuse their own write, 503',
    isRight: wrong.length === 0 && others.length === 0,
  }
}

const FORGED_STATE = `hw2.abc.write.${'A'.repeat(22)}.${'B'.repeat(43)}`

const FORGERIES: readonly ((at: number) => Record<string, string>)[] = [
  () => ({ 'headwater-state': FORGED_STATE }),
  () => ({ 'headwater-state': 'x'.repeat(200), 'headwater-failed': '1' }),
  () => ({ 'headwater-region': 'evil', 'headwater-proxy': 'mine' }),
  (at) => ({ 'fly-replay-src': `region=evil;state=${at}`, 'fly-replay': 'region=evil' }),
  (at) => ({ 'x-forwarded-host': 'evil.example', via: `${'1.1 hop, '.repeat(at % 20)}1.1 hop` }),
  () => ({ 'x-accel-redirect': '@primary', location: 'http://169.254.169.254/' }),
  () => ({ 'fly-replay-src': `instance=1;region=nrt;t=1;state=${FORGED_STATE}` }),
]

function eachFramework<Result>(
  anywhere: Anywhere,
  work: (framework: string, at: number) => Promise<Result>,
): Promise<Result[]> {
  return Promise.all(anywhere.frameworks.map(work))
}

function describe(answers: readonly { readonly status: number }[]): string {
  return [...new Set(answers.map(({ status }) => status))].join(', ')
}

/** Every check, in the order of the table. */
export async function allFindings(anywhere: Anywhere, { posts, forged }: Sizes): Promise<Finding[]> {
  return [
    await landsOnce(anywhere, posts),
    await replaysLate(anywhere),
    await readsStay(anywhere),
    await refusesLarge(anywhere),
    await degrades(anywhere),
    await tellsUnknown(anywhere),
    await ignoresForgeries(anywhere, forged),
  ]
}
