import type { Check } from './check.ts'
import type { Examined } from './examine-server.ts'
import { isFar } from './server-checks.ts'
import type { Wiring } from './wiring.ts'

/** Checks the servers against each other, and against the regions. Pure. */
export function fleetChecks(wiring: Wiring, examined: readonly Examined[]): readonly Check[] {
  const primary = examined.find(({ facts }) => facts !== undefined && !facts.isStandby)
  return [
    ...sameServerChecks(examined),
    ...(primary === undefined
      ? noPrimaryChecks(examined)
      : [...followChecks(examined, primary), ...writerChecks(examined)]),
    ...distanceChecks(wiring, examined),
  ]
}

function sameServerChecks(examined: readonly Examined[]): Check[] {
  return examined.flatMap((one, index): Check[] => {
    const twin = examined
      .slice(0, index)
      .find(({ facts }) => facts !== undefined && facts.startedAt === one.facts?.startedAt)
    if (twin === undefined) return []
    return [
      {
        level: 'bad',
        about: one.server.label,
        says: `is the same server as ${twin.server.label}`,
        cure: `set ${one.server.origin} to a server of its own; an app without a replica says \`replicas: []\``,
      },
    ]
  })
}

function noPrimaryChecks(examined: readonly Examined[]): Check[] {
  const hasAnswered = examined.some(({ facts }) => facts !== undefined)
  if (!hasAnswered) return []
  return [
    {
      level: 'bad',
      about: 'primary',
      says: 'no server that answers accepts writes: every write gets 503',
      cure: 'set DATABASE_URL, or `primary`, to the server that accepts writes',
    },
  ]
}

function writerChecks(examined: readonly Examined[]): Check[] {
  const writers = examined.filter(({ facts }) => facts !== undefined && !facts.isStandby)
  const runs = new Set(writers.map(({ facts }) => facts?.startedAt))
  const timelines = new Set(writers.map(({ identity }) => identity?.timeline))
  const clusters = new Set(writers.map(({ identity }) => identity?.cluster))
  if (runs.size < 2 || clusters.size > 1) return []
  const names = writers.map(({ server }) => server.label).join(' and ')
  return [
    {
      level: 'bad',
      about: 'primary',
      says:
        timelines.size > 1
          ? `${names} accept writes on different timelines: the lower one is a primary of the past`
          : `${names} accept writes on one timeline: nothing is written until one is gone`,
      cure: 'stop the old one, rewind it (pg_rewind) and start it as a standby',
    },
  ]
}

function followChecks(examined: readonly Examined[], primary: Examined): Check[] {
  return examined.flatMap((one): Check[] => {
    const { facts, identity, server } = one
    if (one === primary || facts === undefined || identity === undefined || primary.identity === undefined) return []
    const about = server.label
    if (identity.cluster !== primary.identity.cluster) {
      return [
        {
          level: 'bad',
          about,
          says: `belongs to another cluster than ${primary.server.label}: their system identifiers differ`,
          cure: `set ${server.origin} to a standby that follows ${primary.server.origin}`,
        },
      ]
    }
    if (!facts.isStandby) return []
    if (identity.timeline < primary.identity.timeline) {
      return [
        {
          level: 'warn',
          about,
          says: `is on timeline ${identity.timeline}, the primary on ${primary.identity.timeline}: it does not follow the promotion`,
          cure: "set recovery_target_timeline = 'latest' there, or make it anew with pg_basebackup",
        },
      ]
    }
    const bytes = Number((primary.facts?.lsn ?? 0n) - facts.lsn)
    const age = bytes <= 0 ? 0 : (facts.replayAgeMillis ?? 0)
    const says = `follows ${primary.server.label}, ${bytes <= 0 ? 'nothing' : `${bytes} bytes`} behind`
    if (bytes <= FAR_BEHIND_BYTES && age <= FAR_BEHIND_MILLIS) return [{ level: 'ok', about, says }]
    return [
      {
        level: 'warn',
        about,
        says: `${says}, its last transaction is ${Math.round(age / 1000)} s old`,
        cure: 'look at the network and at what holds replay back (pg_stat_wal_receiver, long reads, its disk)',
      },
    ]
  })
}

const FAR_BEHIND_BYTES = 64 * 1024 * 1024
const FAR_BEHIND_MILLIS = 60_000

function distanceChecks({ region, primaryRegion }: Wiring, examined: readonly Examined[]): Check[] {
  const isAtHome = region === undefined || primaryRegion === undefined || region === primaryRegion
  return examined.flatMap((one): Check[] => {
    const { server, roundTripMillis = 0 } = one
    const isNextDoor = server.role === 'primary' ? isAtHome : server.region === undefined || server.region === region
    if (!isNextDoor || !isFar(one)) return []
    const nearer = examined.find(
      (other) => other.server.region !== server.region && (other.roundTripMillis ?? Infinity) < roundTripMillis / 2,
    )
    return [
      {
        level: 'warn',
        about: server.label,
        says: `is ${Math.round(roundTripMillis)} ms away although it is said to be next door${nearer === undefined ? '' : `, and ${nearer.server.label} is nearer`}`,
        cure:
          server.role === 'primary'
            ? 'set PRIMARY_REGION to the region where the primary runs, and FLY_REGION to that of this process'
            : `give this replica the \`region\` that it runs in, or set ${server.origin} to one that runs here`,
      },
    ]
  })
}
