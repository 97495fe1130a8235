import type { Finding } from '@headwater/core/internal'
import { connectionBudget } from '../fleet/connection-budget.ts'
import { distanceFindings } from './distance-findings.ts'
import type { FleetFacts, ServerFacts } from './fleet-facts.ts'

/** A server whose clock is this far from ours can make other instances' tokens and ours miss each other: they allow for 60 s. */
const CLOCKS_APART_MILLIS = 30_000

/** Finds what is wrong with the servers of a pool. Pure; the same finding comes again and again, and is said once. */
export function findingsIn(fleet: FleetFacts): readonly Finding[] {
  return [
    ...fleet.servers.flatMap((server) => [
      ...reachFindings(server),
      ...(fleet.isComplete ? roleFindings(server, fleet) : []),
      ...sizeFindings(server),
    ]),
    ...conflictFindings(fleet),
    ...sameServerFindings(fleet),
    ...(fleet.isComplete ? distanceFindings(fleet) : []),
  ]
}

/** SQLSTATEs of a login that is refused: password, pg_hba.conf, no such database, no CONNECT privilege. */
const LOGIN_REFUSED = /^28|^3D000$|^42501$/
const FULL = '53300'

function reachFindings(server: ServerFacts): Finding[] {
  const { label, problem, isReachable, isConfiguredPrimary: isPrimary } = server
  if (problem === undefined) return []
  const about = label
  const words = problem.code === undefined ? problem.message : `${problem.message} (${problem.code})`
  if (LOGIN_REFUSED.test(problem.code ?? '') && !server.refusesPosition) {
    return [{ code: 'HEADWATER_SERVER_REFUSED', facts: { server: label, problem: words, isPrimary }, about }]
  }
  if (problem.code === FULL) {
    return [{ code: 'HEADWATER_SERVER_FULL', facts: { server: label, problem: words }, about }]
  }
  if (server.refusesPosition) {
    return [{ code: 'HEADWATER_POSITION_REFUSED', facts: { server: label, problem: words }, about }]
  }
  if (isReachable !== false) return []
  return [{ code: 'HEADWATER_SERVER_DOWN', facts: { server: label, problem: words, isPrimary }, about }]
}

function roleFindings(server: ServerFacts, { primary, timeline }: FleetFacts): Finding[] {
  const { label, role, isConfiguredPrimary, isStandby, isAsked } = server
  const about = label
  const writer = primary?.label ?? 'the primary'
  // Nobody asks it: what its last session said has to do.
  const isBySession = role === 'unknown' && !isAsked
  if (role === 'foreign') {
    return [{ code: 'HEADWATER_FOREIGN_SERVER', facts: { server: label, primary: writer }, about }]
  }
  if (role === 'fenced') {
    const own = server.timeline
    // It gives no answer any more: what it is now is not known.
    if (own === undefined) return []
    // One that shares the timeline was not left behind by a promotion: it was never a standby of this primary.
    if (own === timeline)
      return [{ code: 'HEADWATER_REPLICA_IS_PRIMARY', facts: { server: label, primary: writer }, about }]
    return [{ code: 'HEADWATER_SERVER_FENCED', facts: { server: label, timeline: own, newest: timeline }, about }]
  }
  if (role === 'read-only') return [{ code: 'HEADWATER_PRIMARY_READ_ONLY', facts: { server: label }, about }]
  if (isConfiguredPrimary && (role === 'replica' || (isBySession && isStandby === true))) {
    const other = primary === server ? undefined : primary?.label
    return [{ code: 'HEADWATER_PRIMARY_IS_STANDBY', facts: { server: label, primary: other }, about }]
  }
  if (!isConfiguredPrimary && isBySession && isStandby === false) {
    return [{ code: 'HEADWATER_REPLICA_IS_PRIMARY', facts: { server: label, primary: writer }, about }]
  }
  return []
}

function sizeFindings(server: ServerFacts): Finding[] {
  const { label, survey, isPoolerUnsaid, isSharedAfterAll, slowerPrepared, isOneServer, max } = server
  const about = label
  const findings: Finding[] = []
  if (isPoolerUnsaid) findings.push({ code: 'HEADWATER_POOLER_FOUND', facts: { server: label }, about })
  if (isSharedAfterAll) findings.push({ code: 'HEADWATER_POOLER_SHARES', facts: { server: label }, about })
  if (slowerPrepared !== undefined) {
    findings.push({ code: 'HEADWATER_SLOWER_PREPARED', facts: { server: label, statement: slowerPrepared }, about })
  }
  if (survey === undefined) return findings
  const { allowed, clockAheadMillis, isBalanced } = survey
  if (isBalanced) findings.push({ code: 'HEADWATER_FRONT_BALANCES', facts: { server: label }, about })
  const { needed, instances } = connectionBudget(max, server, survey)
  if (needed !== undefined && instances !== undefined && needed > allowed && isOneServer) {
    const facts = { server: label, needed, allowed, max, instances }
    findings.push({ code: 'HEADWATER_TOO_MANY_CONNECTIONS', facts, about })
  }
  if (Math.abs(clockAheadMillis) > CLOCKS_APART_MILLIS) {
    const facts = { what: `the clock of ${label}`, seconds: Math.round(clockAheadMillis / 1000) }
    findings.push({ code: 'HEADWATER_CLOCKS_APART', facts, about })
  }
  return findings
}

function conflictFindings({ servers }: FleetFacts): Finding[] {
  const rivals = servers.filter(({ role }) => role === 'conflict').map(({ label }) => label)
  if (rivals.length === 0) return []
  const names = rivals.join(' and ')
  return [{ code: 'HEADWATER_TWO_PRIMARIES', facts: { servers: names }, about: names }]
}

function sameServerFindings({ servers }: FleetFacts): Finding[] {
  return servers.flatMap((server, index): Finding[] => {
    const other = servers.slice(0, index).find((before) => isSame(before, server))
    if (other === undefined) return []
    return [{ code: 'HEADWATER_SAME_SERVER', facts: { server: server.label, other: other.label }, about: server.label }]
  })
}

function isSame(left: ServerFacts, right: ServerFacts): boolean {
  return left.startedAt !== undefined && left.startedAt === right.startedAt && left.cluster === right.cluster
}
