import type { Topology } from '@headwater/core'
import type { RouteMemory } from '@headwater/core/internal'
import type { ResolvedOptions } from '../options.ts'
import type { DeadRegions } from '../replay/dead-regions.ts'
import type { SignedStates } from '../replay/signed-states.ts'
import type { ForgottenResponses } from './forgotten-responses.ts'

/** The two clocks of a lifecycle, in milliseconds. A test brings its own. */
export interface Clocks {
  /** Wall clock: states are compared across machines. */
  readonly wallMillis: () => number
  /** Never goes back: route records are compared within this process. */
  readonly monotonicMillis: () => number
}

/** What all requests of one app share. */
export interface SharedState {
  readonly options: ResolvedOptions
  readonly clocks: Clocks
  /** The pool's, read anew each time. One function for all requests. */
  readonly topologyNow: () => Topology
  readonly memory: RouteMemory
  readonly deadRegions: DeadRegions
  readonly states: SignedStates
  readonly forgottenResponses: ForgottenResponses
}
