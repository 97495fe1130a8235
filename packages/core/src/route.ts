import type { Consistency } from './freshness/consistency.ts'
import type { ReplayObstacle } from './replay.ts'
import type { Access, Statement, TransactionModes } from './statement.ts'
import type { Topology } from './topology.ts'

/**
 * How much an app leaves to the router (R8).
 *
 * - `safe` (the default): reads go next door, and to the primary after a write in the same scope.
 * - `explicit`: everything goes to the primary but what runs inside `withReplica`.
 * - `eventual`: like `safe`, without the primary after a write; `consistency` is `eventual` too unless it is given.
 */
export type Mode = 'safe' | 'explicit' | 'eventual'

/** What a transaction on a leased client is at, when a statement arrives. */
export type TransactionState =
  /** No transaction: the statement stands alone. */
  | { readonly phase: 'none' }
  /** BEGIN was asked for and is held back until the first statement (R3). */
  | { readonly phase: 'held'; readonly modes: TransactionModes }
  /** It lives on a node, to its end. */
  | { readonly phase: 'open'; readonly on: 'primary' | 'replica'; readonly isReadOnly: boolean }

/** Everything that a decision depends on, and nothing else: no clock, no socket. */
export interface Situation {
  readonly topology: Topology
  readonly mode: Mode
  /** How fresh a read must be; which replica is, only its node knows. */
  readonly consistency: Consistency
  /** What may be done with a write outside a request, away from home (P6). */
  readonly outsideRequest: 'direct' | 'throw'
  readonly scope:
    | { readonly kind: 'request' | 'job'; readonly hasWritten: boolean; readonly obstacle: ReplayObstacle | undefined }
    | undefined
  readonly forced: 'primary' | 'replica' | undefined
  readonly transaction: TransactionState
  /** Whether this leased client holds session state or has written, and so stays with its primary connection. */
  readonly isPinned: boolean
  /**
   * Whether nobody has read what the database's functions do, or not yet. Then none is tried on a standby: it may swallow
   * the refusal, and nobody would hear of the write that was lost (R1). But for those that the app itself calls `unknown`.
   */
  readonly isCatalogMissing: boolean
  /**
   * Whether sessions on the replicas next door are forced read-only, as far as is known (X1). Behind a pooler they may not
   * be. Then nothing is merely tried there: one that is no standby any more would not refuse it.
   */
  readonly isReadOnlyForced: boolean
  /**
   * Whether the schema has changed, by this app's own doing, since what is known was read. Until it has been read again nothing
   * goes by what was known, but for what the app itself says (R1).
   */
  readonly isCatalogOutdated: boolean
}

/** Why a statement may run on a replica. */
export type ReplicaReason = 'read' | 'tried' | 'read-only-transaction' | 'undecided-transaction' | 'forced-replica'

/** Why a statement needs the primary. */
export type PrimaryReason =
  | 'write'
  | 'session'
  | 'unknown'
  | 'newer-than-catalog'
  | 'after-write'
  | 'forced-primary'
  | 'explicit-mode'
  | 'read-write-transaction'
  | 'serializable'
  | 'open-transaction'
  | 'pinned'
  | 'no-replica'
  | 'replica-lost'
  | 'refused'
  | 'unknown-object'
  | 'strong'
  | 'behind'
  | 'seen-elsewhere'
  | 'another-timeline'
  | 'lagging'

/** Why a statement is kept from running at all. */
export type RefusalReason = 'write-in-with-replica' | 'transaction-on-replica'

/**
 * The decision: where a statement goes, and why (R7).
 *
 * `replay` hands the request over; `impossible` is a replay that cannot work (P4); `direct` reaches the primary
 * over the wide network (P6); `refuse` keeps it from a replica (R6).
 */
export type Decision =
  | { readonly route: 'replica'; readonly reason: ReplicaReason }
  | { readonly route: 'primary' | 'direct' | 'replay' | 'impossible'; readonly reason: PrimaryReason }
  | { readonly route: 'refuse'; readonly reason: RefusalReason }

type OnPrimary = Record<'primary' | 'direct' | 'replay' | 'impossible', Decision>

/** Decisions are shared frozen objects: deciding allocates nothing. */
function onPrimary(reason: PrimaryReason): OnPrimary {
  return {
    primary: Object.freeze({ route: 'primary', reason }),
    direct: Object.freeze({ route: 'direct', reason }),
    replay: Object.freeze({ route: 'replay', reason }),
    impossible: Object.freeze({ route: 'impossible', reason }),
  }
}

const PRIMARY: Readonly<Record<PrimaryReason, OnPrimary>> = {
  write: onPrimary('write'),
  session: onPrimary('session'),
  unknown: onPrimary('unknown'),
  'newer-than-catalog': onPrimary('newer-than-catalog'),
  'after-write': onPrimary('after-write'),
  'forced-primary': onPrimary('forced-primary'),
  'explicit-mode': onPrimary('explicit-mode'),
  'read-write-transaction': onPrimary('read-write-transaction'),
  serializable: onPrimary('serializable'),
  'open-transaction': onPrimary('open-transaction'),
  pinned: onPrimary('pinned'),
  'no-replica': onPrimary('no-replica'),
  'replica-lost': onPrimary('replica-lost'),
  refused: onPrimary('refused'),
  'unknown-object': onPrimary('unknown-object'),
  strong: onPrimary('strong'),
  behind: onPrimary('behind'),
  'seen-elsewhere': onPrimary('seen-elsewhere'),
  'another-timeline': onPrimary('another-timeline'),
  lagging: onPrimary('lagging'),
}

const REPLICA: Readonly<Record<ReplicaReason, Decision>> = {
  read: Object.freeze({ route: 'replica', reason: 'read' }),
  tried: Object.freeze({ route: 'replica', reason: 'tried' }),
  'read-only-transaction': Object.freeze({ route: 'replica', reason: 'read-only-transaction' }),
  'undecided-transaction': Object.freeze({ route: 'replica', reason: 'undecided-transaction' }),
  'forced-replica': Object.freeze({ route: 'replica', reason: 'forced-replica' }),
}

const REFUSE: Readonly<Record<RefusalReason, Decision>> = {
  'write-in-with-replica': Object.freeze({ route: 'refuse', reason: 'write-in-with-replica' }),
  'transaction-on-replica': Object.freeze({ route: 'refuse', reason: 'transaction-on-replica' }),
}

/** Decides where a statement goes (R1–R6, R8, P1, P4, P6). Pure: the same arguments give the same object. */
export function route(statement: Statement, situation: Situation): Decision {
  switch (situation.transaction.phase) {
    case 'open':
      return inOpenTransaction(statement, situation, situation.transaction)
    case 'held':
      return atFirstStatement(statement, situation, situation.transaction.modes)
    case 'none':
      return alone(statement, situation)
  }
}

/** Where a statement that needs the primary for `reason` goes from here: there, over the wide network, or with its request. */
export function routeToPrimary(reason: PrimaryReason, situation: Situation): Decision {
  const choices = PRIMARY[reason]
  if (situation.topology.isAtHome) return choices.primary
  if (situation.scope?.kind !== 'request')
    return situation.outsideRequest === 'direct' ? choices.direct : choices.impossible
  return situation.scope.obstacle === undefined ? choices.replay : choices.impossible
}

/** R4. */
function mustSeeOwnWrites({ scope, mode, consistency }: Situation): boolean {
  return scope?.hasWritten === true && mode === 'safe' && consistency !== 'eventual'
}

function alone(statement: Statement, situation: Situation): Decision {
  const { access } = statement
  if (situation.isPinned) return routeToPrimary('pinned', situation)
  if (situation.forced === 'primary') return routeToPrimary('forced-primary', situation)
  if (access === 'write' || access === 'session') {
    return situation.forced === 'replica' ? REFUSE['write-in-with-replica'] : routeToPrimary(access, situation)
  }
  if (situation.forced === 'replica') {
    return situation.topology.hasReplica ? REPLICA['forced-replica'] : routeToPrimary('no-replica', situation)
  }
  if (situation.mode === 'explicit') return routeToPrimary('explicit-mode', situation)
  if (situation.consistency === 'strong') return routeToPrimary('strong', situation)
  if (isNewerThanCatalog(statement, situation)) return routeToPrimary('newer-than-catalog', situation)
  if (access === 'unknown' && !mayBeTried(statement, situation)) return routeToPrimary('unknown', situation)
  if (mustSeeOwnWrites(situation)) return routeToPrimary('after-write', situation)
  if (!situation.topology.hasReplica) return routeToPrimary('no-replica', situation)
  return access === 'read' ? REPLICA.read : REPLICA.tried
}

/** R1: whether the standby itself may judge what an `unknown` statement does. */
function mayBeTried({ because }: Statement, situation: Situation): boolean {
  if (situation.topology.isAtHome || !situation.isReadOnlyForced) return false
  return !situation.isCatalogMissing || because === 'override'
}

/** Whether a statement that goes to a replica is merely tried there: nobody has said that it only reads, or said READ ONLY. */
export function isTried({ access }: Statement, { transaction, forced }: Situation): boolean {
  return access === 'unknown' && transaction.phase === 'none' && forced !== 'replica'
}

/** R1: whether it leans on what the catalog does not hold, or may not hold any more. */
function isNewerThanCatalog({ because }: Statement, { isCatalogOutdated }: Situation): boolean {
  return because === 'newer-than-catalog' || (isCatalogOutdated && because !== 'override')
}

function atFirstStatement(statement: Statement, situation: Situation, modes: TransactionModes): Decision {
  const { access } = statement
  const needsPrimary = access === 'write' || access === 'session'
  if (situation.isPinned) return routeToPrimary('pinned', situation)
  if (situation.forced === 'primary') return routeToPrimary('forced-primary', situation)
  if (situation.forced === 'replica' && needsPrimary) return REFUSE['write-in-with-replica']
  // A standby cannot run these at all: 0A000.
  if (modes.isolation === 'serializable') return routeToPrimary('serializable', situation)
  if (modes.isReadOnly === false) return routeToPrimary('read-write-transaction', situation)
  if (needsPrimary) return routeToPrimary(access, situation)
  if (situation.forced === 'replica') {
    return situation.topology.hasReplica ? REPLICA['forced-replica'] : routeToPrimary('no-replica', situation)
  }
  if (situation.mode === 'explicit') return routeToPrimary('explicit-mode', situation)
  if (situation.consistency === 'strong') return routeToPrimary('strong', situation)
  if (isNewerThanCatalog(statement, situation)) return routeToPrimary('newer-than-catalog', situation)
  if (modes.isReadOnly === undefined) {
    if (situation.topology.isAtHome) return routeToPrimary('read-write-transaction', situation)
    // Nobody could replay it once it has read on a replica and then proves to be a write.
    if (situation.scope?.kind !== 'request') return routeToPrimary('read-write-transaction', situation)
    if (access === 'unknown') return routeToPrimary('unknown', situation)
  }
  if (mustSeeOwnWrites(situation)) return routeToPrimary('after-write', situation)
  if (!situation.topology.hasReplica) return routeToPrimary('no-replica', situation)
  return modes.isReadOnly === true ? REPLICA['read-only-transaction'] : REPLICA['undecided-transaction']
}

/**
 * What a statement needs where it stands: inside an open transaction, what ends with the transaction needs no more than
 * the node that the transaction is on.
 */
export function accessIn(statement: Statement, transaction: TransactionState): Access {
  const { access, control } = statement
  if (transaction.phase !== 'open') return access
  if (control === undefined) return access === 'session' && statement.isTransactionLocal ? 'read' : access
  if (control.kind === 'two-phase') return 'write'
  if (control.kind !== 'set-transaction') return 'read'
  // No standby has these modes.
  return control.modes.isReadOnly === false || control.modes.isolation === 'serializable' ? 'write' : 'read'
}

function inOpenTransaction(
  statement: Statement,
  situation: Situation,
  transaction: { readonly on: 'primary' | 'replica'; readonly isReadOnly: boolean },
): Decision {
  if (transaction.on === 'primary') {
    return situation.topology.isAtHome ? PRIMARY['open-transaction'].primary : PRIMARY['open-transaction'].direct
  }
  const access = accessIn(statement, situation.transaction)
  const here = transaction.isReadOnly ? REPLICA['read-only-transaction'] : REPLICA['undecided-transaction']
  const askedForPrimary = reasonToReadAtPrimary(statement, situation, transaction.isReadOnly)
  if (askedForPrimary !== undefined) return startAgain(askedForPrimary, situation)
  if (access === 'read') return here
  // Inside READ ONLY the primary would refuse what the standby refuses, so the standby may judge what nobody can see into.
  if (access === 'unknown' && transaction.isReadOnly) return here
  if (situation.forced === 'replica') return REFUSE['write-in-with-replica']
  return startAgain(access, situation)
}

/** Why a read was asked for at the primary, that its transaction would give a replica's answer; `undefined` when it was not. */
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
