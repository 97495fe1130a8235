import type { FreshnessEvent } from '@headwater/core'
import type { Account } from './journal.ts'
import { type RegionCode, roundTrip } from './regions.ts'
import type { Visit } from './visit.ts'

/** What a person can ask for. `view` is a GET that turns out to write; `naive` is `write` without Headwater. */
export type Kind = 'read' | 'write' | 'naive' | 'view'

/** What the client of one request saw. */
export interface Answer {
  readonly kind: Kind
  readonly region: RegionCode
  /** `performance.now()` when it was sent. */
  readonly sentAt: number
  readonly totalMs: number
  /** `undefined` when no HTTP answer came at all. */
  readonly status: number | undefined
  readonly retryAfter: string | undefined
  readonly body: string
  /** Where the primary was. */
  readonly home: RegionCode
  /** Whether the read took any replica, whatever its visitor had seen. */
  readonly isTokenless: boolean
  /** Whether a list of notes had in it what the visitor wrote last; `undefined` when that is not the question. */
  readonly ownNote: 'shown' | 'missing' | undefined
}

/** One query of a journey; times are milliseconds since the client sent the request. */
export interface QueryStep {
  readonly label: string
  readonly from: RegionCode
  readonly node: RegionCode | undefined
  readonly startMs: number
  readonly endMs: number
  readonly outcome: 'answered' | 'kept' | 'failed'
}

/** One visit to an app instance. */
export interface AppStep {
  readonly region: RegionCode
  readonly startMs: number
  readonly endMs: number
  readonly isReplayed: boolean
  readonly status: number | undefined
  readonly hasReachedHandler: boolean
}

/** The whole way of one request, measured. */
export interface Journey {
  readonly kind: Kind
  readonly region: RegionCode
  /** The region whose edge took the request: another one while the client's own is down. */
  readonly edge: RegionCode
  /** Where the primary was when it was sent. */
  readonly home: RegionCode
  readonly totalMs: number
  readonly status: number | undefined
  readonly retryAfter: string | undefined
  readonly apps: readonly AppStep[]
  readonly queries: readonly QueryStep[]
  /** Round trips between regions that this request waited for: of the request itself, and of its queries. */
  readonly crossings: number
  readonly reason: string | undefined
  readonly isTokenless: boolean
  readonly ownNote: 'shown' | 'missing' | undefined
  /** What the first app did because the replica next door was not fresh enough; `undefined` when it was. */
  readonly freshness: Freshness | undefined
}

export interface Freshness {
  readonly outcome: FreshnessEvent['outcome']
  readonly reason: FreshnessEvent['reason']
  readonly waitedMs: number
  /** Whether the read ran on another replica than the first of its region's. */
  readonly isOnSecond: boolean
}

/** Puts together what the client saw, what the proxy saw, and what the app instances wrote down. */
export function journeyOf(answer: Answer, { event, visits, reason, freshness }: Account): Journey {
  const since = (at: number): number => Math.max(0, at - answer.sentAt)
  const edge = (event?.servedBy ?? answer.region) as RegionCode
  const inOrder = visits.toSorted((a, b) => a.startedAt - b.startedAt)
  const apps = inOrder.map((visit): AppStep => {
    const hop = event?.hops.filter(({ region, status }) => region === visit.region && status !== undefined)
    const own = hop?.[inOrder.filter(({ region }) => region === visit.region).indexOf(visit)]
    return {
      region: visit.region,
      startMs: since(visit.startedAt),
      endMs: since(visit.endedAt),
      // Without Fly's proxy the visits alone tell: whoever did not answer by itself has handed the request over.
      isReplayed: own?.replay !== undefined || isHandedOver(inOrder, visit),
      status: own?.status,
      hasReachedHandler: visit.hasReachedHandler,
    }
  })
  const queries = inOrder.flatMap((visit) =>
    visit.queries.map(
      ({ label, node, startedAt, endedAt, outcome }): QueryStep => ({
        ...{ label, from: visit.region, node, outcome },
        ...{ startMs: since(startedAt), endMs: since(endedAt) },
      }),
    ),
  )
  const crossings =
    (edge === answer.region ? 0 : 1) +
    (event?.hops.filter(({ roundTripMillis, status }) => roundTripMillis > 0 && status !== undefined).length ?? 0) +
    inOrder.filter((visit) => isHandedOver(inOrder, visit) && event?.hops.every(({ region }) => region === edge))
      .length +
    queries.filter(({ from, node }) => node !== undefined && roundTrip(from, node) > 0).length
  const { kind, region, home, totalMs, status, retryAfter, isTokenless, ownNote } = answer
  return {
    ...{ kind, region, edge, home, totalMs, status, retryAfter, isTokenless, ownNote },
    ...{ apps, queries, crossings, reason, freshness: freshness && freshnessOf(freshness) },
  }
}

/** Whether another region's app was visited after this one. */
function isHandedOver(inOrder: readonly Visit[], visit: Visit): boolean {
  return inOrder.slice(inOrder.indexOf(visit) + 1).some(({ region }) => region !== visit.region)
}

function freshnessOf({ outcome, reason, waited, node }: FreshnessEvent): Freshness {
  return { outcome, reason, waitedMs: waited, isOnSecond: node === 'replica-1' }
}

/** Queries that only steer a transaction; a count of a handler's queries leaves them out. */
const CONTROL: ReadonlySet<string> = new Set(['begin', 'commit', 'rollback'])

/** What happened, in a sentence or two: the log's, the terminal's and the screen reader's words. */
export function tellJourney(journey: Journey): string {
  const { kind, status, edge, region, home, apps, queries } = journey
  const detour = edge === region ? '' : `${region} is down, so the edge in ${edge} took the request. `
  if (status === undefined) return `${detour}No answer came: the connection broke off.`
  if (status >= 400) return detour + tellFailure(journey)
  const answered = queries.filter(({ outcome }) => outcome === 'answered')
  const fromHome = answered.filter(({ node }) => node === home)
  if (kind === 'naive') {
    const distance = edge === home ? 'without an ocean between' : 'each across the ocean'
    return `${detour}${fromHome.length} round trips from the app in ${edge} to the primary in ${home}, ${distance}.`
  }
  const [first] = apps
  const verdict = tellOwnNote(journey)
  if (first?.isReplayed)
    return detour + tellReplay(journey, first, fromHome.filter(({ label }) => !CONTROL.has(label)).length) + verdict
  const nodes = [...new Set(answered.flatMap(({ node }) => (node === undefined ? [] : [node])))]
  if (nodes.every((node) => node === home))
    return `${detour}The primary in ${home} is next door here, and answered.${verdict}`
  return `${detour}${tellWait(journey)}${nodes.join(', ')} answered.${verdict}`
}

/** How the replica next door came to answer; a place follows. */
function tellWait({ freshness }: Journey): string {
  switch (freshness?.outcome) {
    case 'waited':
      return `The read waited ${Math.round(freshness.waitedMs)} ms for what this visitor has seen, then the ${freshness.isOnSecond ? 'second ' : ''}replica next door in `
    case 'other-replica':
      return 'One replica lacks what this visitor has seen; the other one next door in '
    default:
      return 'The replica next door in '
  }
}

function tellOwnNote({ ownNote }: Journey): string {
  if (ownNote === undefined) return ''
  return ownNote === 'shown'
    ? ' The visitor’s own note is there.'
    : ' “I saved it, and it is not there”: an older state than the visitor’s own note.'
}

function tellReplay(journey: Journey, first: AppStep, atHome: number): string {
  const { home } = journey
  const here = first.region
  const isBack = journey.apps.at(-1)?.region === here
  if (isBack) return `${home} did not answer, so the request came back; the replica next door in ${here} answered.`
  return `${tellHandOver(journey, first)} Handed over to ${home}: ${atHome} ${atHome === 1 ? 'query' : 'queries'} at the primary, one crossing.`
}

/** Why the first app did not answer itself. */
function tellHandOver({ kind, queries, reason, freshness }: Journey, { region, hasReachedHandler }: AppStep): string {
  if (!hasReachedHandler) {
    return kind === 'write'
      ? `The app in ${region} passed it on before its handler ran.`
      : `The app in ${region} passed it on before its handler ran: this route needed the primary lately.`
  }
  if (reason === 'replica-lost' || reason === 'no-replica') return `The replica in ${region} is gone.`
  if (freshness?.outcome === 'primary' && reason === freshness.reason) return tellUnfit(freshness, region)
  const local = queries.filter(({ from, node }) => from === region && node !== undefined).length
  return `The handler in ${region} read ${local === 1 ? 'once' : `${local} times`} next door and met a write, which never left ${region}.`
}

/** Why no replica next door was fresh enough. */
function tellUnfit({ reason, waitedMs }: Freshness, region: RegionCode): string {
  switch (reason) {
    case 'behind':
      return waitedMs < 1
        ? `No replica in ${region} has what this visitor has seen (behind).`
        : `No replica in ${region} has what this visitor has seen, also after ${Math.round(waitedMs)} ms (behind).`
    case 'seen-elsewhere':
      return `This visitor has read from another server, and how far that was no replica in ${region} can tell (seen-elsewhere).`
    case 'another-timeline':
      return `A promotion lies between what this visitor has seen and the replicas in ${region} (another-timeline).`
    case 'lagging':
      return `Every replica in ${region} lags further than allowed (lagging).`
  }
}

function tellFailure({ kind, status, retryAfter, edge, home, freshness }: Journey): string {
  const advice = retryAfter === undefined ? '' : ` Retry-After: ${retryAfter} s.`
  const wrote = kind === 'read' ? '' : ' Nothing was written.'
  const lack = freshness?.outcome === 'primary' ? `${tellUnfit(freshness, edge)} ` : ''
  if (status === 503)
    return `503: ${lack}${lack === '' ? 'the' : 'The'} primary in ${home} cannot be reached from ${edge}.${wrote}${advice}`
  if (status === 502) return `502 from the proxy: no app answers.${wrote}`
  return `${status}: the database could not be reached.${kind === 'naive' ? ' No advice when to try again.' : wrote}${advice}`
}
