import { createHash } from 'node:crypto'
import type { Check } from './check.ts'
import type { Wiring } from './wiring.ts'

type Environment = Readonly<Record<string, string | undefined>>

const SHORTEST_SECRET = 16
const REGION = /^[a-z0-9-]{1,63}$/

/** Checks regions and secret, as the app would read them. Pure. */
export function environmentChecks(environment: Environment, wiring: Wiring | undefined): readonly Check[] {
  return [...regionChecks(environment, wiring), secretCheck(environment, wiring)]
}

function regionChecks(environment: Environment, wiring: Wiring | undefined): Check[] {
  const region = wiring?.region ?? (environment['FLY_REGION'] || undefined)
  const primaryRegion = wiring?.primaryRegion ?? (environment['PRIMARY_REGION'] || undefined)
  const isOnFly = ['FLY_APP_NAME', 'FLY_MACHINE_ID', 'FLY_ALLOC_ID'].some((name) => environment[name])
  const replicas = wiring?.servers.filter(({ role }) => role === 'replica') ?? []
  const local = replicas.filter((server) => server.region === undefined || server.region === region)
  if (region === undefined) {
    if (!isOnFly && primaryRegion === undefined) {
      return [
        {
          level: 'note',
          about: 'region',
          says: 'no region is named: this process counts as at home, and replays nothing',
        },
      ]
    }
    return [
      {
        level: 'bad',
        about: 'FLY_REGION',
        says: `is not set${isOnFly ? ', although this is Fly' : ''}: this process counts as at home, replays nothing, and sends every write straight to the primary`,
        cure: 'set FLY_REGION, or the option `region`, to the region where this process runs',
      },
    ]
  }
  if (primaryRegion === undefined) {
    return [
      {
        level: 'bad',
        about: 'PRIMARY_REGION',
        says: `is not set: this process (${region}) counts as at home, and replays nothing`,
        cure: 'set PRIMARY_REGION (`primary_region` in fly.toml), or `primary.region`, to the region of the primary',
      },
    ]
  }
  // The pool has refused these: that is said beside it.
  if (![region, primaryRegion].every((name) => REGION.test(name))) return []
  const isAtHome = region === primaryRegion
  const checks: Check[] = [
    {
      level: 'ok',
      about: 'region',
      says: `${region}, ${isAtHome ? 'the primary’s' : `away from the primary’s (${primaryRegion})`}`,
    },
  ]
  if (!isAtHome && wiring !== undefined && local.length === 0) {
    checks.push({
      level: 'warn',
      about: 'DATABASE_REPLICA_URL',
      says: `no replica is known in ${region}: every request that reads leaves the region`,
      cure: `set DATABASE_REPLICA_URL, or \`replicas\`, to a standby in ${region}`,
    })
  }
  return checks
}

function secretCheck({ HEADWATER_SECRET: secret }: Environment, wiring: Wiring | undefined): Check {
  const about = 'HEADWATER_SECRET'
  const cure = 'set HEADWATER_SECRET to the same random value in every instance: openssl rand -base64 32'
  if (secret === undefined || secret === '') {
    const hasRegions = wiring === undefined || wiring.region !== undefined || wiring.primaryRegion !== undefined
    if (!hasRegions && wiring.servers.length < 2)
      return { level: 'note', about, says: 'is not set, and not needed without regions' }
    return { level: hasRegions ? 'bad' : 'warn', about, says: 'is not set', cure }
  }
  if (secret.length < SHORTEST_SECRET) {
    return {
      level: 'bad',
      about,
      says: `has ${secret.length} characters; the app takes ${SHORTEST_SECRET} or more`,
      cure,
    }
  }
  return { level: 'ok', about, says: `fingerprint ${fingerprintOf(secret)}: it has to be the same in every region` }
}

/** Eight digits that tell two secrets apart, and nothing of either: a short secret could be found from more. */
export function fingerprintOf(secret: string): string {
  return createHash('sha256').update(`headwater fingerprint ${secret}`).digest('hex').slice(0, 8)
}
