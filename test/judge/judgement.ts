import type { Access } from '@headwater/core/internal'
import type { Label } from './labels.ts'
import type { Outcome } from './session.ts'

/**
 * - `right`: the verdict is what Postgres did, or what R2 asks for.
 * - `caught`: we would have tried it on the standby, and it refused: wasteful, then replayed.
 * - `silent`: we would have run it on the standby, which answers, wrongly, and nothing tells us.
 * - `costly`: we said that it needs the primary, and the standby would have answered the same.
 * - `kept`: we did not know, and no catalog says what it calls, or it is newer than that, so R1 keeps it from the standby, which would have answered the same.
 * - `session`: it needs what an earlier write made in the primary's session (a temporary table). No text shows that;
 *   R4 sends it after that write.
 * - `failed`: both nodes refused it as a statement; no route is better than another.
 */
export type Count = 'right' | 'caught' | 'silent' | 'costly' | 'kept' | 'session' | 'failed'
export const COUNTS: readonly Count[] = ['caught', 'silent', 'costly', 'kept', 'right', 'session', 'failed']

export interface Judgement {
  readonly count: Count
  /** Why, in a few words: what wrong verdicts are grouped by. */
  readonly cause: string
}

/** What was seen around the two answers. */
export interface Facts {
  /** Transaction ids were used up on the primary while the text ran on the standby: dblink, a foreign table. */
  readonly wroteFromStandby: boolean
  /** Transaction ids were used up on the primary while the text ran there. */
  readonly wroteOnPrimary: boolean
  /** The standby's rows are not the primary's, although the primary gives its own again when it is asked again. */
  readonly differs: boolean
  /** It reads a relation that only the primary's session has. */
  readonly isTemporary: boolean
  /** It reads a sequence as a relation. */
  readonly isSequence: boolean
  /** It reads a foreign table: another server, or a file of this one. R1 keeps that off a standby, whatever it answers. */
  readonly isForeign: boolean
  /** It left an advisory lock or a changed setting in the standby's session: nobody else knows of it. */
  readonly leavesStateOnStandby: boolean
}

/** Whether the pool tries it on a standby, away from home: what nobody knows only with a catalog (R1). */
export function isTriedOnStandby(access: Access, hasCatalog: boolean): boolean {
  return access === 'read' || (access === 'unknown' && hasCatalog)
}

/** The count for one text: a pure function of the verdict, both answers, the label and what was seen around them. */
export function judge(
  access: Access,
  hasCatalog: boolean,
  standby: Outcome,
  primary: Outcome,
  label: Label,
  facts: Facts,
): Judgement {
  const isTried = isTriedOnStandby(access, hasCatalog)
  // A function's own error, in a language that gives all of them one SQLSTATE, a standby's refusal among them.
  const isOwnError = standby.code === '38000' && primary.code === '38000' && standby.message === primary.message
  if (isOwnError) return { count: 'failed', cause: '38000' }
  if (standby.refusal === 'refused') {
    if (!isTried) return right
    // An unlogged relation is refused on any standby, and its text is that of any other.
    return { count: 'caught', cause: `${access}: refused ${standby.code ?? ''}` }
  }
  if (!standby.isOk) {
    if (!primary.isOk) return { count: 'failed', cause: primary.code ?? '' }
    if (!isTried) return right
    if (facts.isTemporary) return { count: 'session', cause: 'temporary relation' }
    if (standby.refusal === 'unknown-object') return { count: 'caught', cause: `${access}: unknown object` }
    if (label.belongsOnPrimary !== undefined) return silent(access, label.belongsOnPrimary)
    return silent(access, `error ${standby.code ?? ''} only on the standby`)
  }
  if (isTried) {
    if (facts.wroteFromStandby) return silent(access, 'writes through another connection')
    if (facts.leavesStateOnStandby) return silent(access, 'a lock or a setting that only the standby has')
    if (label.belongsOnPrimary !== undefined) return silent(access, label.belongsOnPrimary)
    if (facts.isTemporary) return { count: 'session', cause: 'temporary relation' }
    if (facts.isSequence) return silent(access, 'sequence read as a relation')
    if (facts.wroteOnPrimary) return silent(access, 'a write that the standby swallowed')
    if (!primary.isOk) return silent(access, `error ${primary.code ?? ''} only on the primary`)
    if (facts.differs) return silent(access, 'other rows')
    return right
  }
  const isExcused = label.belongsOnPrimary !== undefined || label.livesInSession !== undefined || facts.isSequence
  if (isExcused || facts.isForeign || facts.isTemporary || facts.wroteFromStandby || facts.wroteOnPrimary) return right
  if (!primary.isOk || facts.differs || facts.leavesStateOnStandby) return right
  return { count: access === 'unknown' ? 'kept' : 'costly', cause: access }
}

const right: Judgement = { count: 'right', cause: '' }

function silent(access: Access, cause: string): Judgement {
  return { count: 'silent', cause: `${access}: ${cause}` }
}
