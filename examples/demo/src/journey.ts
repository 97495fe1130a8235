import type { RequestEvent } from '@headwater/fly-proxy'
import { HOME, type RegionCode, roundTrip } from './regions.ts'
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
  readonly totalMs: number
  readonly status: number | undefined
  readonly retryAfter: string | undefined
  readonly apps: readonly AppStep[]
  readonly queries: readonly QueryStep[]
  /** Round trips between regions that this request waited for: of the request itself, and of its queries. */
  readonly crossings: number
  readonly reason: string | undefined
}

/** Puts together what the client saw, what the proxy saw, and what the app instances wrote down. */
export function journeyOf(
  answer: Answer,
  event: RequestEvent | undefined,
  visits: readonly Visit[],
  reason: string | undefined,
): Journey {
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
      isReplayed: own?.replay !== undefined,
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
    (event?.hops.filter(({ roundTripMs, status }) => roundTripMs > 0 && status !== undefined).length ?? 0) +
    queries.filter(({ from, node }) => node !== undefined && roundTrip(from, node) > 0).length
  const { kind, region, totalMs, status, retryAfter } = answer
  return { kind, region, edge, totalMs, status, retryAfter, apps, queries, crossings, reason }
}

/** Queries that only steer a transaction; a count of a handler's queries leaves them out. */
const CONTROL: ReadonlySet<string> = new Set(['begin', 'commit', 'rollback'])

/** What happened, in a sentence or two: the log's, the terminal's and the screen reader's words. */
export function tellJourney(journey: Journey): string {
  const { kind, status, edge, region, apps, queries } = journey
  const detour = edge === region ? '' : `${region} is down, so the edge in ${edge} took the request. `
  if (status === undefined) return `${detour}No answer came: the connection broke off.`
  if (status >= 400) return detour + tellFailure(journey)
  const answered = queries.filter(({ outcome }) => outcome === 'answered')
  const fromHome = answered.filter(({ node }) => node === HOME)
  if (kind === 'naive') {
    const distance = edge === HOME ? 'without an ocean between' : 'each across the ocean'
    return `${detour}${fromHome.length} round trips from the app in ${edge} to the primary in ${HOME}, ${distance}.`
  }
  const [first] = apps
  if (first?.isReplayed)
    return detour + tellReplay(journey, first, fromHome.filter(({ label }) => !CONTROL.has(label)).length)
  const nodes = [...new Set(answered.flatMap(({ node }) => (node === undefined ? [] : [node])))]
  if (nodes.every((node) => node === HOME)) return `${detour}The primary in ${HOME} is next door here, and answered.`
  return `${detour}The replica next door in ${nodes.join(', ')} answered.`
}

function tellReplay(journey: Journey, first: AppStep, atHome: number): string {
  const here = first.region
  const isBack = journey.apps.at(-1)?.region === here
  if (isBack) return `${HOME} did not answer, so the request came back; the replica next door in ${here} answered.`
  return `${tellHandOver(journey, first)} Handed over to ${HOME}: ${atHome} ${atHome === 1 ? 'query' : 'queries'} at the primary, one crossing.`
}

/** Why the first app did not answer itself. */
function tellHandOver({ kind, queries, reason }: Journey, { region, hasReachedHandler }: AppStep): string {
  if (!hasReachedHandler) {
    return kind === 'write'
      ? `The app in ${region} passed it on before its handler ran.`
      : `The app in ${region} passed it on before its handler ran: this route needed the primary lately.`
  }
  if (reason === 'replica-lost' || reason === 'no-replica') return `The replica in ${region} is gone.`
  const local = queries.filter(({ from, node }) => from === region && node !== undefined).length
  return `The handler in ${region} read ${local === 1 ? 'once' : `${local} times`} next door and met a write, which never left ${region}.`
}

function tellFailure({ kind, status, retryAfter, edge }: Journey): string {
  const advice = retryAfter === undefined ? '' : ` Retry-After: ${retryAfter} s.`
  const wrote = kind === 'read' ? '' : ' Nothing was written.'
  if (status === 503) return `503: the primary in ${HOME} cannot be reached from ${edge}.${wrote}${advice}`
  if (status === 502) return `502 from the proxy: no app answers.${wrote}`
  return `${status}: the database could not be reached.${kind === 'naive' ? ' No advice when to try again.' : wrote}${advice}`
}
