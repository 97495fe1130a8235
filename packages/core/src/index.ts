// What an app calls. What the sibling packages need beyond it is in internal.ts.
export {
  type BackgroundEvent,
  diagnostics,
  type FreshnessEvent,
  type NodeEvent,
  type QueryEvent,
  type ReplayEvent,
  type RouteEvent,
  type UnverifiedEvent,
} from './diagnostics.ts'
export { BackgroundAbandoned } from './errors/background-abandoned.ts'
export { ConnectionLost } from './errors/connection-lost.ts'
export { HeadwaterError, type HeadwaterErrorCode } from './errors/headwater-error.ts'
export { OptionsInvalid } from './errors/options-invalid.ts'
export { type CommitOutcome, OutcomeUnknown } from './errors/outcome-unknown.ts'
export { PrimaryBusy } from './errors/primary-busy.ts'
export { PrimaryConflict } from './errors/primary-conflict.ts'
export { PrimaryUnavailable } from './errors/primary-unavailable.ts'
export { ReplicaBehind } from './errors/replica-behind.ts'
export { type NoSession, SessionUnavailable } from './errors/session-unavailable.ts'
export { WriteOnReplica } from './errors/write-on-replica.ts'
export type { Topology } from './nodes/topology.ts'
export { needsPrimary } from './replay/needs-primary.ts'
export { ReplayImpossible } from './replay/replay-impossible.ts'
export { findReplay, ReplayToPrimary } from './replay/replay-to-primary.ts'
export type { Consistency } from './route/consistency.ts'
export type { ReplayBlocker, ReplayReason } from './route/reasons.ts'
export type { BackgroundDefaults } from './scope/background-options.ts'
export { withConsistency, withPrimary, withReplica } from './scope/forcing.ts'
export { currentScope, runInScope } from './scope/frame.ts'
export {
  type BackgroundOptions,
  backgroundSettled,
  configureBackground,
  inBackground,
} from './scope/in-background.ts'
export { isReplay } from './scope/is-replay.ts'
export { replayOn } from './scope/replay-on.ts'
export { ensurePrimary, forbidReplay } from './scope/request-control.ts'
export { getToken, runWithToken, type TokenOptions } from './scope/run-with-token.ts'
export { Scope, type ScopeOptions } from './scope/scope.ts'
export { see } from './scope/see.ts'
export type { Logger } from './warnings/logger.ts'
export type { WarningCode } from './warnings/warn.ts'
