import { ClusterError } from '../errors/cluster-error.ts'
import { withAdminSession } from '../postgres/admin-session.ts'
import type { ClusterNode } from './cluster-node.ts'
import { waitUntil } from './wait-until.ts'

/** How `waitUntilCaughtUp` waits. */
export interface CatchUpOptions {
  /**
   * How long to wait before CLUSTER_TIMEOUT.
   * @default 10_000
   */
  readonly timeoutMillis?: number
  /** The node that the others must catch up with. Default: the cluster's first primary. After a promotion pass the new one. */
  readonly primary?: ClusterNode
  /** Ends the wait early: it rejects with the signal's reason. */
  readonly signal?: AbortSignal
}

interface Progress {
  readonly is_done: boolean
  readonly behind: string | null
  readonly pause: string | null
}

/** A node is done when it has replayed what the primary had flushed, or when it is no standby any more. */
const progressOf = `
  select not pg_is_in_recovery() or pg_last_wal_replay_lsn() >= $1::pg_lsn as is_done,
         pg_wal_lsn_diff($1::pg_lsn, pg_last_wal_replay_lsn())::text as behind,
         case when pg_is_in_recovery() then pg_get_wal_replay_pause_state() end as pause`

/**
 * Resolves when every replica has replayed what the primary has flushed by now. Uses one connection per replica.
 * @throws ClusterError CLUSTER_TIMEOUT, CLUSTER_NODE_DOWN
 */
export async function waitUntilReplayed(
  primary: ClusterNode,
  replicas: readonly ClusterNode[],
  { timeoutMillis = 10_000, signal, ...options }: CatchUpOptions,
): Promise<void> {
  const source = options.primary ?? primary
  const [row] = await source.query<{ lsn: string }>('select pg_current_wal_flush_lsn()::text as lsn')
  const lsn = row?.lsn
  const followers = replicas.filter((replica) => replica !== source)
  const down = followers.find((replica) => !replica.isRunning)
  if (down)
    throw new ClusterError('CLUSTER_NODE_DOWN', `${down.name} is down and cannot catch up. Use restart() first.`)
  await Promise.all(
    followers.map((replica) =>
      withAdminSession(replica, async (client) => {
        let last: Progress | undefined
        const isSo = await waitUntil(
          async () => {
            last = (await client.query<Progress>(progressOf, [lsn])).rows[0]
            return last?.is_done === true
          },
          { timeoutMillis, signal },
        )
        if (isSo) return
        const reason = `${last?.behind ?? 'an unknown number of'} bytes behind, replay ${last?.pause ?? 'unknown'}`
        throw new ClusterError(
          'CLUSTER_TIMEOUT',
          `${replica.name} did not reach ${lsn} in ${timeoutMillis} ms: ${reason}.`,
        )
      }),
    ),
  )
}
