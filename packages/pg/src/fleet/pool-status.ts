import { formatLsn, isDirect, type ServerRole } from '@headwater/core/internal'
import type { PoolNode } from '../node/pool-node.ts'
import { type ConnectionBudget, connectionBudget } from './connection-budget.ts'
import { type ErrorInWords, errorInWords } from './error-in-words.ts'
import type { Fleet } from './fleet.ts'
import { type LanesStatus, lanesStatusOf } from './lanes-status.ts'
import { type PreparedStatus, preparedStatusOf } from './prepared-status.ts'
import { type ServerVerdict, verdictOn } from './server-verdict.ts'

/** What a pool knows of one server; what it does not know is `undefined`, and absent in JSON. */
export interface ServerStatus {
  /** `primary`, or `replica-0` and so on, as configured: not what it is now. */
  readonly name: string
  readonly host: string | undefined
  readonly port: number | undefined
  readonly region: string | undefined
  /**
   * What it is by what all servers have said; `unknown` before it was asked. A lone server and one behind a load balancer are not
   * asked: there it is what the last session said.
   */
  readonly role: ServerRole
  /** As of its last answer. */
  readonly timeline: number | undefined
  /** How far it was along the log at its last answer, as Postgres writes it: `0/3000060`. */
  readonly position: string | undefined
  /**
   * Whether it can be reached: `down` when it gave no session, or no answer for twice `suspectAfterMillis`; `suspect` while an answer is
   * overdue.
   */
  readonly verdict: ServerVerdict
  /** Since when, by this process's wall clock, in ISO 8601. */
  readonly since: string | undefined
  /**
   * A replica's lag in ms: an upper bound, which grows with the pause between two questions to the primary (1 s in one region, 10 s
   * across regions, a quarter of `maxLag.millis` where that is shorter). On an idle primary it does not grow further.
   */
  readonly lagMillis: number | undefined
  /** Bytes of log that it had left to replay, by the last answers of the primary and its own. */
  readonly lagBytes: number | undefined
  /** This pool's connections to it, without those of its watch: `waiting` are callers without one. */
  readonly connections: { readonly total: number; readonly idle: number; readonly waiting: number }
  /** How many connections all instances may come to, and how many it takes. */
  readonly budget: ConnectionBudget
  /** What this pool's connections to it have prepared by themselves. */
  readonly prepared: PreparedStatus
  /** How this pool's small reads share connections to it. */
  readonly lanes: LanesStatus
  /** What went wrong last, also when all is well again; `at` is in ISO 8601. Never holds the password of the options. */
  readonly lastError: (ErrorInWords & { readonly at: string }) | undefined
}

/** What a pool knows of itself and of its servers. */
export interface PoolStatus {
  readonly region: string | undefined
  /** The region of the server that takes the writes now. */
  readonly primaryRegion: string | undefined
  readonly isAtHome: boolean
  /** Whether a local replica may be read. */
  readonly hasReplica: boolean
  /** Whether a server takes the writes: the configured one until it proved to be no primary, then the elected one. It may be `down`. */
  readonly hasPrimary: boolean
  /** The cluster's system identifier, in decimal digits. */
  readonly cluster: string | undefined
  /** The highest timeline that was seen. */
  readonly timeline: number | undefined
  readonly servers: readonly ServerStatus[]
}

/** Reads what a fleet knows. Sends nothing, and waits for nothing. */
export function statusOf(fleet: Fleet, suspectAfterMillis: number): PoolStatus {
  const { region, primaryRegion, isAtHome, hasReplica } = fleet.topology
  return Object.freeze({
    region,
    primaryRegion,
    isAtHome,
    hasReplica,
    hasPrimary: fleet.hasPrimary,
    cluster: fleet.cluster?.toString(),
    timeline: fleet.timeline === 0 ? undefined : fleet.timeline,
    servers: Object.freeze(fleet.nodes.map((node) => serverStatusOf(fleet, node, suspectAfterMillis))),
  })
}

function serverStatusOf(fleet: Fleet, node: PoolNode, suspectAfterMillis: number): ServerStatus {
  const { sample, lag, openSince } = fleet.monitor.knownOf(node)
  const now = performance.now()
  const { verdict, since } = verdictOn({ ...node.health.reachability, openSince }, suspectAfterMillis, now)
  const { totalCount: total, idleCount: idle, waitingCount: waiting } = node.pool
  const { place, secrets } = node.address
  const { lastProblem } = node.health
  return Object.freeze({
    name: node.name,
    host: place?.host,
    port: place?.port,
    region: node.region,
    role: roleOf(fleet, node),
    timeline: sample?.timeline,
    position: sample === undefined ? undefined : formatLsn(sample.lsn),
    verdict,
    since: since === undefined ? undefined : new Date(Date.now() - (now - since)).toISOString(),
    lagMillis: finite(lag?.millis),
    lagBytes: finite(lag?.bytes),
    connections: Object.freeze({ total, idle, waiting }),
    budget: connectionBudget(
      node.config.max,
      { hasDirect: node.direct !== undefined, isDirect: isDirect(node.traits) },
      node.capacity,
    ),
    prepared: preparedStatusOf(node),
    lanes: lanesStatusOf(node),
    lastError:
      lastProblem === undefined
        ? undefined
        : Object.freeze({ ...errorInWords(lastProblem.error, secrets), at: new Date(lastProblem.at).toISOString() }),
  })
}

/** The role by the election; where nobody asks the server, what its last session said. */
function roleOf(fleet: Fleet, node: PoolNode): ServerRole {
  const role = fleet.roleOf(node)
  if (role !== 'unknown' || fleet.monitor.asks(node) || node.isStandby === undefined) return role
  if (node.isStandby) return 'replica'
  return node === fleet.primary ? 'primary' : 'unknown'
}

function finite(value: number | undefined): number | undefined {
  return value === undefined || Number.isFinite(value) ? value : undefined
}
