import type { FleetFacts, ServerFacts } from './fleet-facts.ts'

/**
 * The line that says where a pool reads and writes (O1). Pure; holds no user, no password and no database.
 *
 * @example 'headwater: nrt → primary ams (db.ams.internal:5432), reads from db.nrt.internal:5432 (standby, 12 ms behind, 0.4 ms away)'
 */
export function startLine(fleet: FleetFacts): string {
  return `headwater: ${writesOf(fleet)}, ${readsOf(fleet)}`
}

function writesOf({ region, primaryRegion, isAtHome, primary, servers }: FleetFacts): string {
  const from = region === undefined ? '' : `${region} → `
  if (primary === undefined) {
    return `${from}no primary (${servers.map((server) => `${server.address}: ${stateOf(server)}`).join(', ')})`
  }
  const where = primaryRegion ?? (isAtHome ? 'here' : 'somewhere')
  const trouble = primary.isReachable === false ? `, ${stateOf(primary)}` : ''
  return `${from}primary ${where} (${primary.address}${trouble})`
}

function readsOf({ primary, isAtHome, servers }: FleetFacts): string {
  const replicas = servers.filter((server) => server !== primary && server.isLocal && mayBeRead(server))
  if (replicas.length > 0) {
    return `reads from ${replicas.map((server) => `${server.address} (${stateOf(server)})`).join(' and ')}`
  }
  return isAtHome ? 'reads there too' : 'no replica here'
}

function mayBeRead({ role, isConfiguredPrimary }: ServerFacts): boolean {
  return role === 'replica' || (role === 'unknown' && !isConfiguredPrimary)
}

function stateOf({ role, isReachable, problem, lagMillis, survey, isOneServer, isStandby }: ServerFacts): string {
  if (isReachable === false) return `down: ${problem?.message ?? 'no answer'}`
  const what =
    role === 'replica'
      ? sessionRole(isStandby ?? true)
      : role === 'unknown'
        ? isOneServer
          ? sessionRole(isStandby)
          : 'behind a load balancer'
        : role
  const parts = [
    what,
    ...(role === 'replica' && lagMillis !== undefined ? [`${Math.round(lagMillis)} ms behind`] : []),
    ...(survey === undefined ? [] : [`${distance(survey.roundTripMillis)} ms away`]),
  ]
  return parts.join(', ')
}

function sessionRole(isStandby: boolean | undefined): string {
  if (isStandby === undefined) return 'not asked yet'
  return isStandby ? 'standby' : 'no standby'
}

function distance(millis: number): string {
  return millis < 10 ? millis.toFixed(1) : String(Math.round(millis))
}
