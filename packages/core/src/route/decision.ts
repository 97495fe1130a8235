import type { PrimaryReason, RefusalReason, ReplicaReason } from './reasons.ts'

/**
 * The decision: where a statement goes, and why (R7).
 *
 * `replay` hands the request over; `impossible` is a replay that cannot work (P4); `direct` reaches the primary
 * over the wide network (P6); `refuse` keeps it from a replica (R6).
 */
export type Decision =
  | { readonly route: 'replica'; readonly reason: ReplicaReason }
  | { readonly route: 'primary' | 'direct' | 'replay' | 'impossible'; readonly reason: PrimaryReason }
  | { readonly route: 'replay'; readonly reason: 'far-replica' }
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

export const PRIMARY: Readonly<Record<PrimaryReason, OnPrimary>> = {
  write: onPrimary('write'),
  session: onPrimary('session'),
  unknown: onPrimary('unknown'),
  'newer-than-catalog': onPrimary('newer-than-catalog'),
  'after-write': onPrimary('after-write'),
  'forced-primary': onPrimary('forced-primary'),
  'opt-in': onPrimary('opt-in'),
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

export const REPLICA: Readonly<Record<ReplicaReason, Decision>> = {
  read: Object.freeze({ route: 'replica', reason: 'read' }),
  tried: Object.freeze({ route: 'replica', reason: 'tried' }),
  'read-only-transaction': Object.freeze({ route: 'replica', reason: 'read-only-transaction' }),
  'undecided-transaction': Object.freeze({ route: 'replica', reason: 'undecided-transaction' }),
  'forced-replica': Object.freeze({ route: 'replica', reason: 'forced-replica' }),
  'far-replica': Object.freeze({ route: 'replica', reason: 'far-replica' }),
}

/** The request is replayed in a region that has a replica (X10). */
export const REPLAY_TO_REPLICA: Decision = Object.freeze({ route: 'replay', reason: 'far-replica' })

export const REFUSE: Readonly<Record<RefusalReason, Decision>> = {
  'write-in-with-replica': Object.freeze({ route: 'refuse', reason: 'write-in-with-replica' }),
  'transaction-on-replica': Object.freeze({ route: 'refuse', reason: 'transaction-on-replica' }),
}

/**
 * The same decision for a scope that has written: what it wrote would be written again by a replay. It was at the primary, which has moved
 * since, and goes on there over the wide network.
 */
export function withoutReplay(decision: Decision): Decision {
  if (decision.route !== 'replay') return decision
  return decision.reason === 'far-replica' ? REPLICA['far-replica'] : PRIMARY[decision.reason].direct
}
