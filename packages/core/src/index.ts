export {
  type Body,
  type Classifier,
  type ClassifierOptions,
  classify,
  classifyBody,
  createClassifier,
  createKnowledge,
  type Inventory,
  type Knowledge,
  type KnowledgeTables,
  type Known,
  type NameFilter,
  type NameKind,
} from './classify/index.ts'
export { diagnostics, type FreshnessEvent, type NodeEvent, type ReplayEvent, type RouteEvent } from './diagnostics.ts'
export {
  findInCauses,
  HeadwaterError,
  type HeadwaterErrorCode,
  OptionsInvalid,
  PrimaryUnavailable,
  ReplicaBehind,
  WriteOnReplica,
} from './error.ts'
export { type Consistency, parseConsistency } from './freshness/consistency.ts'
export { formatLsn, type Lsn, NEVER_REACHED, parseLsn, toLsn } from './freshness/lsn.ts'
export { isGoodAt, isMomentOver, isPosition, nameOfToken } from './freshness/moment.ts'
export { getToken, runWithToken, TIME_TO_LIVE, type TokenOptions } from './freshness/run-with-token.ts'
export { parseSecrets } from './freshness/secrets.ts'
export {
  isSameSeen,
  mergeAll,
  mergeSeen,
  NO_NODE,
  type Position,
  type ReplicaState,
  SEEN_UNKNOWN,
  SEVERAL_NODES,
  type Seen,
  type Standing,
  standingOf,
} from './freshness/seen.ts'
export { MOST_TOKENS, parseTokens, signToken, type Token, verifyToken } from './freshness/token.ts'
export { type PositionSource, Trail, type TrailOptions } from './freshness/trail.ts'
export { LearnedWriters } from './learned-writers.ts'
export {
  type DatabaseErrorFields,
  databaseErrorIn,
  isConnectionLoss,
  isOutOfService,
  type Refusal,
  refusalOf,
} from './refusal.ts'
export { findReplay, ReplayImpossible, type ReplayObstacle, type ReplayReason, ReplayToPrimary } from './replay.ts'
export {
  accessIn,
  type Decision,
  isTried,
  type Mode,
  type PrimaryReason,
  type RefusalReason,
  type ReplicaReason,
  route,
  routeToPrimary,
  type Situation,
  type TransactionState,
} from './route.ts'
export { RouteMemory } from './route-memory.ts'
export {
  currentFrame,
  currentScope,
  ensurePrimary,
  type Frame,
  runInScope,
  Scope,
  type ScopeOptions,
  sideEffects,
  withConsistency,
  withPrimary,
  withReplica,
} from './scope.ts'
export type {
  Access,
  AccessReason,
  IsolationLevel,
  Statement,
  TransactionControl,
  TransactionModes,
} from './statement.ts'
export { parseRegion, type Topology, topologyOf } from './topology.ts'
