import type { Asked, RemoteAnswers, Told } from './ask-remote.ts'
import type { Check } from './check.ts'
import type { Examined } from './examine-server.ts'
import type { Wiring } from './wiring.ts'

const CLOCKS_APART_MILLIS = 30_000

/** What another instance is compared with. */
export interface OwnSide {
  readonly wiring: Wiring | undefined
  readonly examined: readonly Examined[]
}

/** What another instance at `url` takes for the primary, beside what is so here, and whether its replays arrive. `undefined`: it was not asked. Pure. */
export function remoteChecks(url: string, answers: RemoteAnswers | undefined, own: OwnSide): readonly Check[] {
  const about = safeUrl(url)
  if (answers === undefined) {
    return [
      {
        level: 'warn',
        about,
        says: 'was not asked: there is no HEADWATER_SECRET to sign with',
        cure: 'set HEADWATER_SECRET as there',
      },
    ]
  }
  const { first, replayed } = answers
  if ('level' in first) return [{ ...first, about }]
  const checks = [...compare(first, own), ...(replayed === undefined ? [] : [replayCheck(first, replayed)])]
  return checks.map((check) => ({ ...check, about }))
}

function compare({ status, tookMillis, heardAt }: Asked, { wiring, examined }: OwnSide): Told[] {
  const { region, primaryRegion, versions } = status
  const where = region === undefined ? 'no region' : region
  const checks: Told[] = [
    {
      level: 'ok',
      says: `${where}, primary ${primaryRegion ?? 'not named'}, Headwater ${versions['@headwater/http'] ?? '?'}, Node ${versions['node'] ?? '?'}; the secret is the same`,
    },
  ]
  if (wiring !== undefined && wiring.primaryRegion !== primaryRegion) {
    checks.push({
      level: 'bad',
      says: `takes ${primaryRegion ?? 'nothing'} for the primary's region, and here it is ${wiring.primaryRegion ?? 'not named'}`,
      cure: 'set PRIMARY_REGION to the same region everywhere: the one where the primary runs',
    })
  }
  const apart = status.time + tookMillis / 2 - heardAt
  if (Math.abs(apart) > CLOCKS_APART_MILLIS) {
    checks.push({
      level: 'bad',
      says: `its clock is ${Math.round(Math.abs(apart) / 1000)} s ${apart > 0 ? 'ahead of' : 'behind'} this machine's: tokens allow for 60 s`,
      cure: 'set both clocks by NTP',
    })
  }
  const here = examined.find(({ identity, facts }) => identity !== undefined && facts?.isStandby === false)?.identity
  const there = status.pool
  if (here !== undefined && there?.cluster !== undefined && there.cluster !== here.cluster) {
    checks.push({
      level: 'bad',
      says: 'reads and writes another database cluster: the system identifiers differ',
      cure: 'set DATABASE_URL and DATABASE_REPLICA_URL to servers of one cluster in every region',
    })
  } else if (here !== undefined && there?.timeline !== undefined && there.timeline < here.timeline) {
    checks.push({
      level: 'warn',
      says: `knows timeline ${there.timeline}, and the primary is on ${here.timeline}: it has not seen the promotion`,
      cure: 'list every server that can become the primary in that instance’s options',
    })
  }
  if (there?.hasPrimary === false) {
    checks.push({
      level: 'bad',
      says: 'knows no primary now: its writes get 503',
      cure: 'look at its log, and at the primary',
    })
  }
  return checks
}

function replayCheck({ status: { primaryRegion = '?' } }: Asked, replayed: Asked | Told): Told {
  if ('level' in replayed) return replayed
  const { status, tookMillis, isRedirected } = replayed
  if (status.isAtHome && (status.isReplayed || isRedirected)) {
    return {
      level: 'ok',
      says: `a replay reached ${status.region ?? 'the primary’s region'} in ${Math.round(tookMillis)} ms`,
    }
  }
  const by = status.region ?? 'an instance without a region'
  return {
    level: 'bad',
    says:
      status.hasReplayFailed === true
        ? `a replay to ${primaryRegion} found no instance there, and came back to ${by}`
        : `a replay to ${primaryRegion} was answered by ${by}, which is not at home`,
    cure: 'set PRIMARY_REGION to a region where an instance of this app runs, beside the primary',
  }
}

/** Without user, password and query. */
function safeUrl(url: string): string {
  const { protocol, host } = new URL(url)
  return `${protocol}//${host}`
}
