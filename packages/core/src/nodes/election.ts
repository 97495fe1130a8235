/** What one server said of itself when it was asked last. */
export interface ServerReport {
  /** The system identifier that initdb gave its cluster; a copy, a standby and a promoted standby keep it. */
  readonly cluster: bigint
  /** Counts the promotions in its history. */
  readonly timeline: number
  /** Whether it is in recovery. */
  readonly isStandby: boolean
  /** Whether its sessions begin read-only: a manager fenced it, or its disk is full. */
  readonly isReadOnly: boolean
  /** When it was started, as it says itself: the same for two addresses that lead to one server, and for no two servers. */
  readonly startedAt: string
}

/** What is known of one server: what it said, that it was asked and gave no answer (`silent`), or nothing yet. */
export type LastReport = ServerReport | 'silent' | undefined

/**
 * What a server is to this pool (X7):
 *
 * - `primary`: it takes the writes.
 * - `replica`: it is in recovery, or it is another address of the primary.
 * - `fenced`: it accepts writes on a lower timeline than one that was seen. It is neither read nor written.
 * - `read-only`: it is not in recovery, but its sessions begin read-only.
 * - `conflict`: another server accepts writes on the same timeline. Nobody writes until one is gone, or a truth decides.
 * - `foreign`: it belongs to another cluster.
 * - `unknown`: nothing is known of it now.
 */
export type ServerRole = 'primary' | 'replica' | 'fenced' | 'read-only' | 'conflict' | 'foreign' | 'unknown'

/** What a pool has learned about its cluster; it is never forgotten while the process lives. */
export interface Lineage {
  /** `undefined`: nothing was learned. */
  readonly cluster: bigint | undefined
  /** Whether the configured primary or a signed token named the cluster. Until then it is what the servers that answer have in common. */
  readonly isSure: boolean
  /** The highest timeline of the cluster that was seen. It never falls. */
  readonly timeline: number
}

/** Who is who. */
export interface Election {
  readonly lineage: Lineage
  /** The role of each server, in the order of the reports. */
  readonly roles: readonly ServerRole[]
  /** The index of the primary; `undefined` while no server is known to be it. */
  readonly primary: number | undefined
  /** The indexes of the servers between which an outside authority has to decide; empty while the servers agree. */
  readonly contested: readonly number[]
}

export const NO_LINEAGE: Lineage = Object.freeze({ cluster: undefined, isSure: false, timeline: 0 })

/**
 * Says who the primary is: the server that is not in recovery, is not read-only, belongs to the cluster, and is on the highest
 * timeline that was ever seen. Never one of a lower timeline.
 *
 * Pure, and the same for every order in which the reports came. `guess` is the index of the configured primary: it names the
 * cluster. While it has not been asked, no other server is elected, because the cluster could be the wrong one; with -1 there is none,
 * and the cluster is that of most servers. `truth` is
 * the index of the server that an outside authority calls the primary; it decides between two of one timeline, and nothing else.
 */
export function elect(before: Lineage, servers: readonly LastReport[], guess: number, truth?: number): Election {
  const lineage = learnFrom(before, servers, guess)
  const isElectable = (server: LastReport): boolean =>
    typeof server === 'object' &&
    server.cluster === lineage.cluster &&
    !server.isStandby &&
    !server.isReadOnly &&
    server.timeline === lineage.timeline
  const candidates = servers.flatMap((server, index) => (isElectable(server) ? [index] : []))
  const runs = new Set(candidates.map((index) => runOf(servers[index])))
  const isDecided = truth !== undefined && candidates.includes(truth)
  const first = candidates.includes(guess) ? guess : candidates[0]
  const winner = isDecided ? truth : runs.size === 1 ? first : undefined
  const roles = servers.map((server, index): ServerRole => {
    if (typeof server !== 'object') return 'unknown'
    if (lineage.cluster !== undefined && server.cluster !== lineage.cluster) return 'foreign'
    if (server.isStandby) return 'replica'
    if (server.timeline < lineage.timeline) return 'fenced'
    if (server.isReadOnly) return 'read-only'
    if (winner === undefined) return candidates.length > 1 ? 'conflict' : 'unknown'
    if (index === winner) return 'primary'
    return server.startedAt === runOf(servers[winner]) ? 'replica' : 'fenced'
  })
  return { lineage, roles, primary: winner, contested: runs.size > 1 ? candidates : [] }
}

function runOf(server: LastReport): string | undefined {
  return typeof server === 'object' ? server.startedAt : undefined
}

/**
 * Takes in a signed token or a replay's state: news of a timeline from another instance (F7). News of another cluster is ignored
 * once the cluster is known.
 */
export function hearOf(before: Lineage, { cluster, timeline }: { cluster: bigint; timeline: number }): Lineage {
  if (before.cluster === cluster) {
    const isNews = timeline > before.timeline || !before.isSure
    return isNews ? { cluster, isSure: true, timeline: Math.max(timeline, before.timeline) } : before
  }
  return before.isSure ? before : { cluster, isSure: true, timeline }
}

function learnFrom(before: Lineage, servers: readonly LastReport[], guess: number): Lineage {
  const { cluster, isSure } = clusterOf(before, servers, guess)
  if (cluster === undefined) return before
  let timeline = cluster === before.cluster ? before.timeline : 0
  for (const server of servers) {
    if (typeof server === 'object' && server.cluster === cluster) timeline = Math.max(timeline, server.timeline)
  }
  const isSame = cluster === before.cluster && isSure === before.isSure && timeline === before.timeline
  return isSame ? before : { cluster, isSure, timeline }
}

function clusterOf(before: Lineage, servers: readonly LastReport[], guess: number): Omit<Lineage, 'timeline'> {
  if (before.isSure) return before
  const guessed = servers[guess]
  if (typeof guessed === 'object') return { cluster: guessed.cluster, isSure: true }
  // It may still answer.
  if (guessed === undefined && guess >= 0) return { cluster: undefined, isSure: false }
  return { cluster: before.cluster ?? mostCommonCluster(servers), isSure: false }
}

/** The cluster that most servers report; of two that as many report, the one that is listed first. */
function mostCommonCluster(servers: readonly LastReport[]): bigint | undefined {
  const counts = new Map<bigint, number>()
  for (const server of servers) {
    if (typeof server === 'object') counts.set(server.cluster, (counts.get(server.cluster) ?? 0) + 1)
  }
  let best: bigint | undefined
  for (const [cluster, count] of counts) if (best === undefined || count > (counts.get(best) ?? 0)) best = cluster
  return best
}
