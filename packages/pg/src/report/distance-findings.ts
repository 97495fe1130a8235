import type { Finding } from '@headwater/core/internal'
import type { FleetFacts, ServerFacts } from './fleet-facts.ts'

/** A server of one's own region answers faster than this; the nearest two regions of a cloud are about as far apart. */
const FAR_MILLIS = 20

/** Finds servers that are not where their region says. Pure. */
export function distanceFindings(fleet: FleetFacts): readonly Finding[] {
  const { region, primaryRegion, isAtHome, primary, servers } = fleet
  const findings: Finding[] = []
  const replicas = servers.filter((server) => server.role === 'replica' && server !== primary)
  const local = [...(isAtHome && primary !== undefined ? [primary] : []), ...replicas.filter(({ isLocal }) => isLocal)]
  const own = nearest(local)
  const stranger = nearest([...servers].filter(({ isLocal, region: theirs }) => !isLocal && theirs !== undefined))
  if (region !== undefined && own !== undefined && stranger !== undefined && isMuchNearer(stranger, own)) {
    const facts = {
      server: stranger.label,
      serverRegion: stranger.region ?? '',
      millis: inMillis(stranger),
      region,
      own: own.label,
      ownMillis: inMillis(own),
    }
    return [{ code: 'HEADWATER_OTHER_REGION_NEARER', facts, about: stranger.label }]
  }
  if (isAtHome && primary !== undefined && isFar(primary)) {
    const facts = { server: primary.label, millis: inMillis(primary), region }
    findings.push({ code: 'HEADWATER_PRIMARY_FAR', facts, about: primary.label })
  }
  for (const replica of replicas) {
    if (!replica.isLocal || !isFar(replica)) continue
    const facts = { server: replica.label, millis: inMillis(replica), region }
    findings.push({ code: 'HEADWATER_REPLICA_FAR', facts, about: replica.label })
  }
  if (region !== undefined && !isAtHome && replicas.length > 0 && !replicas.some(({ isLocal }) => isLocal)) {
    const closest = nearest(replicas)
    const isNearer = closest !== undefined && primary !== undefined && millisTo(closest) < millisTo(primary)
    const facts = {
      region,
      primaryRegion,
      regions: [...new Set(replicas.map(({ region: theirs }) => theirs ?? ''))].join(', '),
      nearest: isNearer ? closest.label : undefined,
    }
    findings.push({ code: 'HEADWATER_NO_LOCAL_REPLICA', facts })
  }
  return findings
}

function millisTo({ survey }: ServerFacts): number {
  return survey?.roundTripMillis ?? Number.POSITIVE_INFINITY
}

function inMillis(server: ServerFacts): number {
  return Math.round(millisTo(server))
}

function isFar(server: ServerFacts): boolean {
  return server.survey !== undefined && millisTo(server) > FAR_MILLIS
}

/** Both are the fastest of a few answers, so a busy moment makes neither. */
function isMuchNearer(stranger: ServerFacts, own: ServerFacts): boolean {
  return isFar(own) && millisTo(stranger) < millisTo(own) / 2
}

function nearest(servers: readonly ServerFacts[]): ServerFacts | undefined {
  const known = servers.filter(({ survey }) => survey !== undefined)
  return known.sort((left, right) => millisTo(left) - millisTo(right))[0]
}
