// For the packages of this repository, which are released together: nothing here is kept stable.
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
export { isConnectionLoss, isOutOfService } from './errors/connection-loss.ts'
export { type DatabaseErrorFields, databaseErrorIn } from './errors/database-error.ts'
export { findInCauses } from './errors/find-in-causes.ts'
export { type Refusal, refusalOf } from './errors/refusal.ts'
export { parseRegion, topologyOf } from './nodes/topology.ts'
export { RouteMemory } from './replay/route-memory.ts'
export { accessIn } from './route/access-in.ts'
export { parseConsistency } from './route/consistency.ts'
export type { Decision } from './route/decision.ts'
export type { Mode } from './route/mode.ts'
export type { PrimaryReason, RefusalReason, ReplicaReason } from './route/reasons.ts'
export { isTried, route, routeToPrimary } from './route/route.ts'
export type { Situation, TransactionState } from './route/situation.ts'
export { currentFrame, type Frame } from './scope/frame.ts'
export { TIME_TO_LIVE } from './scope/run-with-token.ts'
export { formatLsn, type Lsn, NEVER_REACHED, parseLsn, toLsn } from './session/lsn.ts'
export { isGoodAt, isMomentOver, isPosition, nameOfToken } from './session/moment.ts'
export { parseSecrets } from './session/secrets.ts'
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
} from './session/seen.ts'
export { MOST_TOKENS, parseTokens, signToken, type Token, verifyToken } from './session/token.ts'
export { type PositionSource, Trail, type TrailOptions } from './session/trail.ts'
export { LearnedWriters } from './statement/learned-writers.ts'
export type {
  Access,
  AccessReason,
  IsolationLevel,
  Statement,
  TransactionControl,
  TransactionModes,
} from './statement/statement.ts'
