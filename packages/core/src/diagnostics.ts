import { type Channel, channel } from 'node:diagnostics_channel'
import type { Decision } from './route/decision.ts'
import type { ReplayObstacle, ReplayReason } from './route/reasons.ts'
import type { Standing } from './session/seen.ts'
import type { Access } from './statement/statement.ts'

/** Published for every statement, before it is sent (R7). Never holds SQL text or values: those may be secrets. */
export interface RouteEvent {
  readonly access: Access
  readonly decision: Decision
  readonly isAtHome: boolean
  /** The scope's number in this process; `undefined` outside any. */
  readonly scope: number | undefined
}

/** Published when a request is handed over, or could not be. */
export interface ReplayEvent {
  readonly reason: ReplayReason
  /** What spoke against it; `undefined` when the request is handed over. */
  readonly obstacle: ReplayObstacle | undefined
  /** Where it is handed to. */
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

/** Published for a read whose client has seen something, or that may not lag, when it did not simply run next door. */
export interface FreshnessEvent {
  /** `waited`: a replica caught up in time. `other-replica`: another one had. `primary`: none had. */
  readonly outcome: 'waited' | 'other-replica' | 'primary'
  /** Why none was fit at first. */
  readonly reason: Exclude<Standing, 'caught-up'> | 'lagging'
  /** How long the read waited, in ms. */
  readonly waited: number
  /** The replica that it ran on, as configured; `undefined` with `primary`. */
  readonly node: string | undefined
  readonly scope: number | undefined
}

/**
 * The `node:diagnostics_channel` channels that Headwater publishes on. Nobody listening, nothing is built: one boolean is read.
 *
 * Their names are `headwater:route` (messages are `RouteEvent`), `headwater:replay` (`ReplayEvent`), `headwater:node`
 * (`NodeEvent`) and `headwater:freshness` (`FreshnessEvent`).
 */
export const diagnostics: {
  readonly route: Channel
  readonly replay: Channel
  readonly node: Channel
  readonly freshness: Channel
} = {
  route: channel('headwater:route'),
  replay: channel('headwater:replay'),
  node: channel('headwater:node'),
  freshness: channel('headwater:freshness'),
}
