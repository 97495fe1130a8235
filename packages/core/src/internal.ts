// For the packages of this repository, which are released together: nothing here is kept stable.
export {
  type Body,
  type Classifier,
  type ClassifierOptions,
  classify,
  classifyBody,
  createClassifier,
  createKnowledge,
  IMPLIED_OPERATORS,
  type Inventory,
  isReadInSilence,
  type Knowledge,
  type KnowledgeTables,
  type Known,
  mixedFrom,
  type NameFilter,
  type NameKind,
  needsOwnSession,
  type SessionNeed,
  type SessionVerdict,
  sessionNeedOf,
} from './classify/index.ts'
export { isConnectionLoss, isNotRunning, isOutOfService } from './errors/connection-loss.ts'
export { type DatabaseErrorFields, databaseErrorIn } from './errors/database-error.ts'
export { findInCauses } from './errors/find-in-causes.ts'
export { errorPrototypes } from './errors/headwater-error.ts'
export { classifyRefusal, type Refusal } from './errors/refusal.ts'
export { type AllLate, type LateRead, whenAllLate } from './nodes/all-late.ts'
export { type Backoff, pauseMillis, spread } from './nodes/backoff.ts'
export { type Choosable, chooseReplica, type ReplicaChoice } from './nodes/choice.ts'
export {
  type Election,
  elect,
  hearOf,
  type LastReport,
  type Lineage,
  NO_LINEAGE,
  type ServerReport,
  type ServerRole,
} from './nodes/election.ts'
export {
  AT_PRIMARY,
  type Elsewhere,
  type FarServer,
  nearestOf,
  type ReadsElsewhere,
  readsElsewhere,
} from './nodes/elsewhere.ts'
export {
  type EndpointTraits,
  isDirect,
  isShared,
  LOAD_BALANCER,
  MOVING,
  ONE_SERVER,
  type Pooling,
  withFound,
} from './nodes/endpoint.ts'
export { parseGroup } from './nodes/group.ts'
export {
  type Evidence,
  HEALTHY,
  type Health,
  isEjected,
  nextHealth,
  PRIMARY_BACKOFF,
  REPLICA_BACKOFF,
} from './nodes/health.ts'
export { createTopology, parseRegion } from './nodes/topology.ts'
export type { ReplayDetails } from './replay/replay-to-primary.ts'
export { RouteMemory } from './replay/route-memory.ts'
export { mayReplayAgain, type ReplayStamp } from './replay/second-hop.ts'
export { accessIn } from './route/access-in.ts'
export { parseConsistency } from './route/consistency.ts'
export { type Decision, withoutReplay } from './route/decision.ts'
export type { PrimaryReason, RefusalReason, ReplicaReason } from './route/reasons.ts'
export { isTried, route, routeToFarReplica, routeToPrimary } from './route/route.ts'
export type { Routing } from './route/routing.ts'
export type { Situation, TransactionState } from './route/situation.ts'
export { type Background, theBackground } from './scope/background.ts'
export { currentFrame, type Frame, runOutside } from './scope/frame.ts'
export { TOKEN_TTL_MILLIS } from './scope/run-with-token.ts'
export type { ScopeRefusal } from './scope/scope.ts'
export { ScopeTrail, type TrailEntry } from './scope/scope-trail.ts'
export { reportUnverified } from './scope/unverified.ts'
export {
  ClientSession,
  type ClientSessionOptions,
  type PositionSource,
  type WriteOutcome,
} from './session/client-session.ts'
export { DOCTOR_HEADER, signAnswer, signQuestion, verifyAnswer, verifyQuestion } from './session/doctor-signature.ts'
export { formatLsn, type Lsn, NEVER_REACHED, parseLsn, toLsn } from './session/lsn.ts'
export { isMarkExpired, isPosition, isReusableAt, tokenName, whenMarkExpires } from './session/mark.ts'
export { perSecret } from './session/per-secret.ts'
export {
  compareFreshness,
  type Freshness,
  isSamePosition,
  mergeAllPositions,
  mergePositions,
  NO_NODE,
  type Position,
  positionAtPrimary,
  type ReadPosition,
  type ReplicaState,
  SEVERAL_NODES,
  UNKNOWN_POSITION,
} from './session/read-position.ts'
export { parseSecrets } from './session/secrets.ts'
export {
  type InvalidToken,
  isTokenLike,
  MAX_TOKENS,
  parseTokens,
  readToken,
  signToken,
  type Token,
  timeOfToken,
  verifyToken,
} from './session/token.ts'
export { LearnedWriters } from './statement/learned-writers.ts'
export type {
  Access,
  AccessReason,
  IsolationLevel,
  Statement,
  TransactionControl,
  TransactionModes,
} from './statement/statement.ts'
export { noteCopy } from './warnings/copies.ts'
export { log, parseLogger } from './warnings/logger.ts'
export {
  type Finding,
  forgetWarnings,
  textOf,
  WARNINGS,
  type WarningFacts,
  type WarnOptions,
  warn,
  warnOfAll,
} from './warnings/warn.ts'
