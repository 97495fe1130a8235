import type { Access, Statement, TransactionModes } from '../statement/statement.ts'
import { accessOf } from './access-in.ts'
import { type Decision, PRIMARY, REFUSE, REPLAY_TO_REPLICA, REPLICA } from './decision.ts'
import type { PrimaryReason } from './reasons.ts'
import type { Situation } from './situation.ts'

/** Decides where a statement goes (R1–R6, R8, P1, P4, P6). Pure: the same arguments give the same object. */
export function route(statement: Statement, situation: Situation): Decision {
  // R6, also where the transaction is at the primary.
  if (situation.forced === 'replica' && accessOf(statement, situation) === 'write') {
    return REFUSE['write-in-with-replica']
  }
  switch (situation.transaction.phase) {
    case 'open':
      return inOpenTransaction(statement, situation, situation.transaction)
    case 'held':
      return atFirstStatement(statement, situation, situation.transaction.modes)
    case 'none':
      return alone(statement, situation)
  }
}

/**
 * How a statement that needs the primary for `reason` gets there: directly at home, else over the wide network or by a replay of its
 * request. What was only tried on a replica may write, so it does not cross where only reads do.
 */
export function routeToPrimary(reason: PrimaryReason, situation: Situation, mayWrite = false): Decision {
  const choices = PRIMARY[reason]
  if (situation.topology.isAtHome) return choices.primary
  if (situation.scope?.kind !== 'request')
    return situation.writesOutsideRequest === 'direct' ? choices.direct : choices.impossible
  if (situation.scope.blocker === undefined) return choices.replay
  const mayCross = situation.scope.hasBegunToAnswer === true && situation.writesOutsideRequest === 'direct'
  const isDirect = isStandIn(situation) || isAhead(situation) || (mayCross && READS.has(reason) && !mayWrite)
  return isDirect ? choices.direct : choices.impossible
}

/** Whether the request was replayed to here because nobody in the primary's region took it (X8). */
function isStandIn({ scope, topology: { region, standIns } }: Situation): boolean {
  if (scope?.blocker !== 'already-replayed' || scope.isReplayVerified !== true) return false
  return region !== undefined && standIns?.includes(region) === true
}

/**
 * Whether the request was replayed to here, and nobody here knows where the primary is: whoever sent it may know more. It waits
 * for the news, and is not refused for what is out of date (X4, X9).
 */
function isAhead({ scope, topology }: Situation): boolean {
  if (scope?.blocker !== 'already-replayed' || scope.isReplayVerified !== true) return false
  return topology.isPrimarySought === true
}

/**
 * Where a read goes that no local replica can answer, while a replica of another region is nearer than the primary, or the
 * primary does not answer (X10). `undefined`: wherever what needs the primary goes.
 */
export function routeToFarReplica({ topology: { elsewhere }, scope }: Situation): Decision | undefined {
  if (elsewhere === undefined) return undefined
  const isRequest = scope?.kind === 'request'
  switch (isRequest ? elsewhere.inRequest : elsewhere.outside) {
    case 'primary':
      return undefined
    case 'network':
      return REPLICA['far-replica']
    case 'replay':
      // One replay for a read is enough.
      return scope?.blocker === undefined && scope?.isReplayVerified !== true
        ? REPLAY_TO_REPLICA
        : REPLICA['far-replica']
  }
}

/** What is only tried needs a replica next door. */
function withoutReplica(access: Access, situation: Situation): Decision {
  const mayBeFar = access === 'read' || situation.forced === 'replica'
  return (mayBeFar ? routeToFarReplica(situation) : undefined) ?? routeToPrimary('no-replica', situation)
}

/** Why reads, and nothing else, need the primary. In a stream that has begun they go on over the network, as those of a job do. */
const READS: ReadonlySet<PrimaryReason> = new Set([
  'after-write',
  'behind',
  'seen-elsewhere',
  'another-timeline',
  'lagging',
  'no-replica',
  'replica-lost',
])

/** R4, and R9 outside any scope. A request is short until it streams: only elsewhere the position of what was written is worth a question. */
function mustSeeOwnWrites({ scope, consistency, isOwnWriteUnplaced }: Situation): boolean {
  const isShort = scope?.kind === 'request' && scope.hasBegunToAnswer !== true
  return (isShort ? scope.hasWritten : isOwnWriteUnplaced) && consistency !== 'eventual'
}

function alone(statement: Statement, situation: Situation): Decision {
  const access = accessOf(statement, situation)
  if (situation.isPinned) return routeToPrimary('pinned', situation)
  if (situation.forced === 'primary') return routeToPrimary('forced-primary', situation)
  if (access === 'write' || access === 'session') {
    return situation.forced === 'replica' ? REFUSE['write-in-with-replica'] : routeToPrimary(access, situation)
  }
  if (situation.forced === 'replica') {
    return situation.topology.hasReplica ? REPLICA['forced-replica'] : withoutReplica(access, situation)
  }
  if (situation.routing === 'opt-in') return routeToPrimary('opt-in', situation)
  if (situation.consistency === 'strong') return routeToPrimary('strong', situation)
  if (isNewerThanCatalog(statement, situation)) return routeToPrimary('newer-than-catalog', situation)
  if (access === 'unknown' && !mayBeTried(statement, situation)) return routeToPrimary('unknown', situation)
  if (mustSeeOwnWrites(situation)) return routeToPrimary('after-write', situation)
  if (!situation.topology.hasReplica) return withoutReplica(access, situation)
  return access === 'read' ? REPLICA.read : REPLICA.tried
}

/** R1: whether the standby itself may judge what an `unknown` statement does. */
function mayBeTried({ reason }: Statement, situation: Situation): boolean {
  const { topology, scope } = situation
  if (topology.isAtHome || !situation.isReadOnlyForced) return false
  // A read would go on over the network then; what may write must not.
  if (scope?.hasBegunToAnswer === true && (!topology.hasReplica || mustSeeOwnWrites(situation))) return false
  return !situation.isCatalogMissing || reason === 'override'
}

/** Whether a statement that goes to a replica is only tried there: it is not proven to read, and no READ ONLY or `withReplica` says so. */
export function isTried({ access }: Statement, { transaction, forced }: Situation): boolean {
  return access === 'unknown' && transaction.phase === 'none' && forced !== 'replica'
}

/** R1: whether it uses a name that the catalog does not have, or that may have changed since the catalog was read. */
function isNewerThanCatalog({ reason }: Statement, { isCatalogOutdated }: Situation): boolean {
  return reason === 'newer-than-catalog' || (isCatalogOutdated && reason !== 'override')
}

function atFirstStatement(statement: Statement, situation: Situation, modes: TransactionModes): Decision {
  const access = accessOf(statement, situation)
  const needsPrimary = access === 'write' || access === 'session'
  if (situation.isPinned) return routeToPrimary('pinned', situation)
  if (situation.forced === 'primary') return routeToPrimary('forced-primary', situation)
  if (situation.forced === 'replica' && needsPrimary) return REFUSE['write-in-with-replica']
  // A standby cannot run these at all: 0A000.
  if (modes.isolation === 'serializable') return routeToPrimary('serializable', situation)
  if (modes.isReadOnly === false) return routeToPrimary('read-write-transaction', situation)
  if (needsPrimary) return routeToPrimary(access, situation)
  if (situation.forced === 'replica') {
    return situation.topology.hasReplica ? REPLICA['forced-replica'] : withoutReplica(access, situation)
  }
  if (situation.routing === 'opt-in') return routeToPrimary('opt-in', situation)
  if (situation.consistency === 'strong') return routeToPrimary('strong', situation)
  if (isNewerThanCatalog(statement, situation)) return routeToPrimary('newer-than-catalog', situation)
  if (modes.isReadOnly === undefined) {
    if (situation.topology.isAtHome) return routeToPrimary('read-write-transaction', situation)
    // Without a request it could not be replayed once it has read on a replica and then proves to write.
    if (situation.scope?.kind !== 'request') return routeToPrimary('read-write-transaction', situation)
    if (access === 'unknown') return routeToPrimary('unknown', situation)
  }
  if (mustSeeOwnWrites(situation)) return routeToPrimary('after-write', situation)
  if (!situation.topology.hasReplica) {
    return modes.isReadOnly === true ? withoutReplica(access, situation) : routeToPrimary('no-replica', situation)
  }
  return modes.isReadOnly === true ? REPLICA['read-only-transaction'] : REPLICA['undecided-transaction']
}

function inOpenTransaction(
  statement: Statement,
  situation: Situation,
  transaction: { readonly on: 'primary' | 'replica'; readonly isReadOnly: boolean },
): Decision {
  if (transaction.on === 'primary') {
    return situation.topology.isAtHome ? PRIMARY['open-transaction'].primary : PRIMARY['open-transaction'].direct
  }
  const access = accessOf(statement, situation)
  const here = transaction.isReadOnly ? REPLICA['read-only-transaction'] : REPLICA['undecided-transaction']
  const askedForPrimary = reasonToReadAtPrimary(statement, situation, transaction.isReadOnly)
  if (askedForPrimary !== undefined) return startAgain(askedForPrimary, situation)
  if (access === 'read') return here
  // Inside READ ONLY the primary would refuse what the standby refuses, so the standby may judge an unknown statement.
  if (access === 'unknown' && transaction.isReadOnly) return here
  if (situation.forced === 'replica') return REFUSE['write-in-with-replica']
  return startAgain(access, situation)
}

/** Why a read must run at the primary although its transaction is on a replica; `undefined` when it need not. */
function reasonToReadAtPrimary(
  statement: Statement,
  situation: Situation,
  isReadOnly: boolean,
): 'forced-primary' | 'strong' | 'newer-than-catalog' | undefined {
  const { access, control } = statement
  const { consistency, forced } = situation
  // What ends a transaction, or steers it, stays in it.
  if (control !== undefined || access === 'write' || access === 'session') return undefined
  if (forced === 'primary') return 'forced-primary'
  if (forced === 'replica') return undefined
  if (consistency === 'strong') return 'strong'
  // In READ ONLY the primary would refuse what the standby refuses.
  return !isReadOnly && isNewerThanCatalog(statement, situation) ? 'newer-than-catalog' : undefined
}

/** A transaction lives on one node: only a request can start again elsewhere. */
function startAgain(reason: PrimaryReason, situation: Situation): Decision {
  const elsewhere = routeToPrimary(reason, situation)
  return elsewhere.route === 'replay' || elsewhere.route === 'impossible' ? elsewhere : REFUSE['transaction-on-replica']
}
