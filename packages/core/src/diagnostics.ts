import { type Channel, channel } from 'node:diagnostics_channel'
import type { Decision } from './route/decision.ts'
import type { ReplayBlocker, ReplayReason } from './route/reasons.ts'
import type { Freshness } from './session/read-position.ts'
import type { Access } from './statement/statement.ts'

/** Published for every statement, before it is sent (R7). Never holds SQL text or values, which may be secrets. */
export interface RouteEvent {
  readonly access: Access
  readonly decision: Decision
  readonly isAtHome: boolean
  /** The scope's number in this process; `undefined` outside any scope. */
  readonly scope: number | undefined
}

/**
 * Published for every statement each time it is sent to a server, which `RouteEvent` cannot know yet: who answers, and how long the
 * statement waited for it. A statement that goes on to another server is published again.
 */
export interface QueryEvent {
  /** `primary`, or `replica-0` and so on, as configured. */
  readonly server: string
  /** The server's region, as configured. */
  readonly region: string | undefined
  /** The decision that led there: its reason says why a read went to the primary. */
  readonly decision: Decision
  /** How long it waited for a server that may answer and for a connection, in ms. */
  readonly waited: number
  readonly scope: number | undefined
}

/** Published when a request is replayed, or would have been if nothing blocked it. */
export interface ReplayEvent {
  readonly reason: ReplayReason
  /** What made the replay impossible; `undefined` when the request is replayed. */
  readonly blocker: ReplayBlocker | undefined
  /** The region that runs it again; `undefined` when the replay is impossible. */
  readonly region: string | undefined
  readonly scope: number
}

/** Published when something about a node changes: its role, or whether it can be reached. */
export interface NodeEvent {
  /** `primary`, or `replica-0` and so on, as configured. */
  readonly node: string
  readonly region: string | undefined
  readonly change: 'became-standby' | 'became-primary' | 'down' | 'up' | 'connection-error'
  readonly error: unknown
}

/** Published for a read that must not be older than some state, when its first replica was not fresh enough. */
export interface FreshnessEvent {
  /**
   * `waited`: the replica caught up in time. `other-replica`: another replica had. `primary`: none had. `late`: all lagged too far,
   * and the option `allLate` let it run on one of them.
   */
  readonly outcome: 'waited' | 'other-replica' | 'primary' | 'late'
  /** Why no replica was fresh enough at first. */
  readonly reason: Exclude<Freshness, 'caught-up'> | 'lagging'
  /** How long the read waited, in ms. */
  readonly waited: number
  /** The replica that it ran on, as configured; `undefined` with `primary`. */
  readonly node: string | undefined
  readonly scope: number | undefined
}

/** Published for each token and replay state of our form that none of this process's secrets has made. */
export interface UnverifiedEvent {
  /** How it came. `replay state`: in the header of the proxy that replays. `job's token`: through `runWithToken`. `stored token`: from `token.load`. */
  readonly carrier: 'cookie' | 'header token' | 'stored token' | 'replay state' | "job's token" | 'token in see()'
  /** How many this process has seen, with this one. */
  readonly count: number
}

/** Published when a piece of background work has ended (P12). */
export interface BackgroundEvent {
  /** `abandoned`: it took too long, or was not begun because too many waited. */
  readonly outcome: 'done' | 'failed' | 'abandoned'
  /** The name that the app gave it. */
  readonly name: string | undefined
  /** Why it failed or was abandoned. */
  readonly error: unknown
  /** How many pieces of work wait for their turn now. */
  readonly waiting: number
}

/**
 * The `node:diagnostics_channel` channels that Headwater publishes on. Without a subscriber nothing is built; the cost is one
 * boolean that is read.
 *
 * Their names are `headwater:route` (messages are `RouteEvent`), `headwater:query` (`QueryEvent`), `headwater:replay`
 * (`ReplayEvent`), `headwater:node` (`NodeEvent`), `headwater:freshness` (`FreshnessEvent`), `headwater:unverified`
 * (`UnverifiedEvent`) and `headwater:background` (`BackgroundEvent`).
 *
 * @example
 * diagnostics.route.subscribe((message) => {
 *   const { decision } = message as RouteEvent
 *   counter.increment({ route: decision.route, reason: decision.reason })
 * })
 */
export const diagnostics: {
  readonly route: Channel
  readonly query: Channel
  readonly replay: Channel
  readonly node: Channel
  readonly freshness: Channel
  readonly unverified: Channel
  readonly background: Channel
} = {
  route: channel('headwater:route'),
  query: channel('headwater:query'),
  replay: channel('headwater:replay'),
  node: channel('headwater:node'),
  freshness: channel('headwater:freshness'),
  unverified: channel('headwater:unverified'),
  background: channel('headwater:background'),
}
