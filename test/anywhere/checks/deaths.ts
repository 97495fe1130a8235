import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Anywhere, AWAY, type Landing } from '../anywhere.ts'
import type { Seen } from '../ask.ts'
import { describe, type Finding, newKey } from '../finding.ts'
import { FRAMEWORKS } from '../frameworks.ts'

/** What can go, and when. The app and what hands requests over go by SIGKILL. */
export const VICTIMS = [
  'the app there is killed',
  'the one who hands over is killed',
  'the region is cut off',
  'the region falls silent',
] as const
export type Victim = (typeof VICTIMS)[number]
export const MOMENTS = ['before', 'on the way there', 'in the body', 'behind the COMMIT', 'in the answer'] as const
export type Moment = (typeof MOMENTS)[number]

/** Clients are in Tokyo: the longest way. */
const FROM = 'nrt'
/** By then a request has left its region, and not arrived. */
const ON_THE_WAY_MILLIS = AWAY[FROM] / 4
const BODY_BYTES = 200_000

/** One death, met by a request of each framework: none lands twice, none hangs, and none that may have landed is told to try again. */
export async function survives(anywhere: Anywhere, victim: Victim, moment: Moment): Promise<Finding> {
  const check = `${victim}, ${moment}`
  const notRun = reasonToSkip(anywhere, victim, moment)
  if (notRun !== undefined) return { check, saw: `not run: ${notRun}`, isRight: true }
  const requests = FRAMEWORKS.map((framework) => ({ framework, key: newKey() }))
  const keys = requests.map(({ key }) => key)
  let goOn = (): void => {}
  const pause = new Promise<void>((resolve) => {
    goOn = resolve
  })
  const { strike, heal } = DEATHS[victim]
  if (moment === 'before') await strikeFirst(anywhere, strike)
  const asked = requests.map(({ framework, key }) =>
    anywhere.ask(FROM, `/${framework}${PATHS[moment]}?key=${key}`, {
      body: randomBytes(BODY_BYTES),
      ...(moment === 'in the body' && { pause }),
    }),
  )
  if (moment !== 'before') {
    await until(anywhere, moment, keys)
    await strike(anywhere)
  }
  goOn()
  const seen = await Promise.all(asked)
  await heal(anywhere)
  await untilBack(anywhere)
  const landed = await anywhere.landed()
  const landings = keys.map((key) => landed.get(key) ?? [])
  const rows = [...new Set(landings.map((list) => list.length))].sort().join(' or ')
  const areRight = seen.map((one, at) => isRight(one, landings[at] ?? [], victim, moment))
  return { check, saw: `${describe(seen)}; rows: ${rows}`, isRight: areRight.every(Boolean) }
}

const PATHS: Readonly<Record<Moment, string>> = {
  before: '/write',
  'on the way there': '/write',
  'in the body': '/write',
  'behind the COMMIT': '/stop-behind-commit',
  'in the answer': '/stop-in-answer',
}

interface Death {
  readonly strike: (anywhere: Anywhere) => Promise<void>
  readonly heal: (anywhere: Anywhere) => Promise<void>
}

const healOcean = (anywhere: Anywhere): Promise<void> => anywhere.healOcean(FROM)

const DEATHS: Readonly<Record<Victim, Death>> = {
  'the app there is killed': {
    strike: (anywhere) => anywhere.killPrimaryApp(),
    heal: (anywhere) => anywhere.restartPrimaryApp(),
  },
  'the one who hands over is killed': {
    strike: (anywhere) => anywhere.killForwarder(FROM),
    heal: (anywhere) => anywhere.openForwarder(FROM),
  },
  'the region is cut off': {
    async strike({ oceans }) {
      await oceans[FROM].refuse()
      oceans[FROM].reset()
    },
    heal: healOcean,
  },
  'the region falls silent': { strike: async ({ oceans }) => oceans[FROM].blackhole(), heal: healOcean },
}

/** Strikes, and lets the ends of its connections cross the ocean: until then others may take them for alive, and send into them. */
async function strikeFirst(anywhere: Anywhere, strike: Death['strike']): Promise<void> {
  await strike(anywhere)
  await sleep(AWAY[FROM])
}

function reasonToSkip({ way }: Anywhere, victim: Victim, moment: Moment): string | undefined {
  if (victim !== 'the region falls silent') return undefined
  if (way.silence === 'unknown') return 'Fly documents no time-out'
  if (moment === 'in the answer' && way.silence === 'ends, but not in an answer') {
    return 'TCP’s own probes end it, and this machine answers those'
  }
  return undefined
}

/** Waits for the moment. */
async function until({ apps }: Anywhere, moment: Moment, keys: readonly string[]): Promise<void> {
  if (moment === 'on the way there') await sleep(ON_THE_WAY_MILLIS)
  // Where the way keeps the body until it has all of it, nothing arrives.
  if (moment === 'in the body') await apps.ams.hasReached('arrived', keys, 1_000)
  if (moment !== 'behind the COMMIT' && moment !== 'in the answer') return
  if (!(await apps.ams.hasReached(moment, keys, 10_000))) throw new Error(`not every request has come ${moment}`)
  // What was sent of the answer crosses.
  if (moment === 'in the answer') await sleep(AWAY[FROM])
}

function isRight(seen: Seen, landings: readonly Landing[], victim: Victim, moment: Moment): boolean {
  const { status, isWhole, hasHung, retryAfter } = seen
  if (hasHung || landings.length > 1) return false
  const isInvited = status === 503 || retryAfter !== undefined
  const hasLanded = landings.length === 1
  if (hasLanded && isInvited) return false
  if (status === 200 && isWhole && !hasLanded) return false
  if ((moment === 'behind the COMMIT' || moment === 'in the answer') && !hasLanded) return false
  // Its clients see that it is gone, and nobody is left to tell them more.
  if (victim === 'the one who hands over is killed') return moment !== 'before' || typeof status === 'string'
  const neverConnected = moment === 'before' && victim !== 'the region falls silent'
  if (neverConnected) return status === 503 && retryAfter !== undefined
  return typeof status === 'number' && (status >= 500 || moment === 'in the answer')
}

/** Without an app in the primary's region reads go on. */
export async function readsGoOn(anywhere: Anywhere): Promise<Finding> {
  await strikeFirst(anywhere, DEATHS['the app there is killed'].strike)
  const writes = await writeInEach(anywhere)
  const reads = await Promise.all(
    FRAMEWORKS.map((framework) => anywhere.ask(FROM, `/${framework}/read`, { method: 'GET' })),
  )
  await anywhere.restartPrimaryApp()
  await untilBack(anywhere)
  const refused = writes.filter(({ status, retryAfter }) => status === 503 && retryAfter === '1')
  return {
    check: 'no app in the primary’s region',
    saw: `writes ${describe(writes)}; reads ${describe(reads)}`,
    isRight: refused.length === writes.length && reads.every(({ status, body }) => status === 200 && body === FROM),
  }
}

/** What stands in between finds out that the others are back. */
async function untilBack(anywhere: Anywhere): Promise<void> {
  for (const end = performance.now() + 20_000; ; await sleep(50)) {
    const seen = await writeInEach(anywhere)
    if (seen.every(({ status }) => status === 200)) return
    if (performance.now() > end) throw new Error(`writes do not work again: ${describe(seen)}`)
  }
}

function writeInEach(anywhere: Anywhere): Promise<Seen[]> {
  const write = (framework: string) =>
    anywhere.ask(FROM, `/${framework}/write?key=${newKey()}`, { body: randomBytes(20) })
  return Promise.all(FRAMEWORKS.map(write))
}
