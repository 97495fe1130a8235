import type { Journey, Kind } from './journey.ts'
import { checkOwnNotes, type OwnNotes, showOwnNotes } from './own-notes.ts'
import { HOME, type RegionCode, roundTrip } from './regions.ts'
import { Visitor } from './visitor.ts'
import type { World } from './world.ts'

/** Where the tour stands. */
export const STAGE: RegionCode = 'nrt'

/** How often each kind is measured. The naive way takes long, and hardly varies. */
const TIMES = { read: 9, write: 7, home: 7, naive: 3 } as const

/** How far above the limit a replayed write may be. */
const TOLERANCE = 1.15

export interface Sample {
  readonly medianMs: number
  readonly times: number
  /** The one with the median time, to be shown. */
  readonly journey: Journey
}

export interface Check {
  readonly what: string
  readonly found: string
  readonly holds: boolean
}

export interface TourResult {
  readonly read: Sample
  readonly write: Sample
  readonly naive: Sample
  /** The same write, sent to the edge in the primary's own region. */
  readonly home: Sample
  readonly view: Journey
  readonly own: OwnNotes
  readonly oceanMs: number
  /** One ocean crossing and the work itself: no write from here can be faster. */
  readonly limitMs: number
  readonly checks: readonly Check[]
}

/** Sends the tour's requests, measures them, and checks in the databases what they left behind. */
export async function runTour(world: World, signal: AbortSignal): Promise<TourResult> {
  await warmUp(world)
  signal.throwIfAborted()
  const before = await countersOf(world)
  const read = await measure(world, 'read', STAGE, TIMES.read, signal)
  const home = await measure(world, 'write', HOME, TIMES.home, signal)
  const write = await measure(world, 'write', STAGE, TIMES.write, signal)
  const naive = await measure(world, 'naive', STAGE, TIMES.naive, signal)
  const marked = `tour ${crypto.randomUUID()}`
  const journey = await world.send('write', STAGE, { body: marked })
  signal.throwIfAborted()
  // Somebody else: who has just written may have to wait for the replica first.
  const view = await world.send('view', STAGE, { visitor: new Visitor() })
  signal.throwIfAborted()
  await world.cluster.waitUntilCaughtUp({ signal })
  const after = await countersOf(world)
  const oceanMs = roundTrip(STAGE, HOME)
  const limitMs = oceanMs + home.medianMs
  const sent = TIMES.home + TIMES.write + TIMES.naive + 1
  const copies = await copiesOf(world, marked)
  const own = await showOwnNotes(world, STAGE, signal)
  const checks: Check[] = [
    {
      what: `The read was answered by the replica in ${STAGE}, without crossing anything`,
      found: `${[...new Set(read.journey.queries.map(({ node }) => node))].join(', ')}, ${read.journey.crossings} crossings`,
      holds: read.journey.crossings === 0 && read.journey.queries.every(({ node }) => node === STAGE),
    },
    {
      what: 'A replayed write is there exactly once, on every server',
      found: copies.map(({ name, count }) => `${name} ${count}`).join(', '),
      holds:
        copies.length === 1 + world.cluster.replicas.length &&
        copies.every(({ count }) => count === 1) &&
        journey.crossings === 1,
    },
    {
      what: `Of ${sent} writes, ${sent} notes, ${sent} counted, ${sent} audited`,
      found: `${after.notes - before.notes}, ${after.counted - before.counted}, ${after.audited - before.audited}`,
      holds: (['notes', 'counted', 'audited'] as const).every((name) => after[name] - before[name] === sent),
    },
    {
      what: `A GET that turned out to write tried in ${STAGE} first; the attempt left no trace`,
      found: `sent to a database from ${STAGE}: ${view.queries.filter(({ from, node }) => from === STAGE && node !== undefined).length} read, 0 writes; counted ${after.views - before.views} time`,
      holds: isCleanAttempt(view) && after.views - before.views === 1,
    },
    {
      what: `A replayed write takes one ocean and the work itself, within ${Math.round((TOLERANCE - 1) * 100)} %`,
      found: `${(write.medianMs / limitMs).toFixed(2)} of the limit`,
      holds: write.medianMs <= limitMs * TOLERANCE,
    },
    {
      what: 'The naive way is slower than the replay',
      found: `${(naive.medianMs / write.medianMs).toFixed(1)} times as slow, ${naive.journey.crossings} crossings`,
      holds: naive.medianMs > write.medianMs,
    },
    ...checkOwnNotes(own, STAGE),
  ]
  return { read, write, naive, home, view, own, oceanMs, limitMs, checks }
}

/** Opens every connection that the measured requests use: connecting over the ocean is not what is measured. */
async function warmUp(world: World): Promise<void> {
  for (let round = 0; round < 3; round += 1) {
    await Promise.all([world.send('read', STAGE), world.send('write', STAGE), world.send('write', HOME)])
  }
  await world.send('naive', STAGE)
}

async function measure(
  world: World,
  kind: Kind,
  region: RegionCode,
  times: number,
  signal: AbortSignal,
): Promise<Sample> {
  const journeys: Journey[] = []
  for (let turn = 0; turn < times; turn += 1) {
    journeys.push(await world.send(kind, region))
    signal.throwIfAborted()
  }
  const failed = journeys.find(({ status }) => status !== 200)
  if (failed !== undefined) throw new Error(`a ${kind} from ${region} was answered with ${failed.status ?? 'nothing'}`)
  journeys.sort((a, b) => a.totalMs - b.totalMs)
  const median = journeys[Math.floor(times / 2)]
  if (median === undefined) throw new RangeError(`measured ${times} times; expected at least 1`)
  return { medianMs: median.totalMs, times, journey: median }
}

/** Ran where it arrived, read there, kept its write back, and was run again at home. */
function isCleanAttempt({ apps, queries }: Journey): boolean {
  const here = queries.filter(({ from }) => from === STAGE)
  const there = queries.filter(({ from }) => from === HOME)
  return (
    apps[0]?.region === STAGE &&
    apps[0].hasReachedHandler &&
    here.some(({ outcome }) => outcome === 'kept') &&
    here.every(({ outcome, node }) => outcome === 'kept' || node === STAGE) &&
    there.length === 2
  )
}

interface Counters {
  readonly notes: number
  readonly counted: number
  readonly audited: number
  readonly views: number
}

async function countersOf(world: World): Promise<Counters> {
  const [row] = await world.cluster.primary.query<{ [Name in keyof Counters]: string }>(`
    select (select count(*) from notes) as notes, (select value from counters where name = 'notes') as counted,
      (select count(*) from audit) as audited, (select sum(views) from notes) as views`)
  if (row === undefined) throw new Error('the counters of the demo are gone')
  return {
    notes: Number(row.notes),
    counted: Number(row.counted),
    audited: Number(row.audited),
    views: Number(row.views),
  }
}

async function copiesOf(world: World, body: string): Promise<{ name: string; count: number }[]> {
  const { primary, replicas } = world.cluster
  return await Promise.all(
    [primary, ...replicas].map(async (node) => {
      const [row] = await node.query<{ count: string }>('select count(*) as count from notes where body = $1', [body])
      return { name: node === primary ? HOME : node.name, count: Number(row?.count) }
    }),
  )
}
