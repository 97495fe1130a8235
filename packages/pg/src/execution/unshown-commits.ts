import { boundHere } from '../driver/bound-here.ts'
import { sendQuestion } from '../driver/send.ts'
import type { TrackedClient } from '../driver/tracked-client.ts'
import type { Connection, PoolNode } from '../node/pool-node.ts'
import type { RoutedQuery } from './routed-query.ts'

/** How long a read waits for them, in ms: a commit that no standby confirms for so long may be lost yet. */
const LIMIT_MILLIS = 1_000

/** The pauses between two questions: each is twice as long as the one before. */
const PAUSE_MILLIS = { first: 1, longest: 16 }

/**
 * The transactions whose commit is flushed and waits for a standby: nobody sees them here, and a standby that nobody waits for may
 * show them already. Those of other roles are hidden without pg_read_all_stats.
 */
const UNSHOWN = `
  select pg_catalog.concat_ws(' ', pid, extract(epoch from xact_start)) from pg_catalog.pg_stat_activity
  where wait_event operator(pg_catalog.=) 'SyncRep'`

/** Whether a replica may have shown the client of this query what its primary does not show yet (F5). */
export function mayMissCommits(query: RoutedQuery, { role, node, isShared }: Connection): boolean {
  if (role !== 'primary' || isShared || query.holder.transaction.phase === 'open') return false
  return isAheadOf(query, node)
}

/** The same before there is a connection. */
export function isAheadOf({ frame }: RoutedQuery, primary: PoolNode): boolean {
  return primary.waitsForStandbys && frame?.scope?.session.mayBeAhead === true
}

/** Calls back when the primary shows every commit that it had flushed, or after a second. */
export function whenCommitsShow(client: TrackedClient, done: () => void): void {
  const deadline = performance.now() + LIMIT_MILLIS
  const shown = boundHere(done)
  let awaited: ReadonlySet<string | null> | undefined
  const ask = (pauseMillis: number): void => {
    sendQuestion(client, UNSHOWN, (error, rows) => {
      const unshown = rows.map(([transaction]) => transaction ?? null)
      // Those that came later had not been flushed when the query was asked for.
      awaited = new Set(awaited === undefined ? unshown : unshown.filter((transaction) => awaited?.has(transaction)))
      // What is wrong with the connection the query will find out.
      if (error || awaited.size === 0 || performance.now() > deadline) client.whenSettled(shown)
      else setTimeout(ask, pauseMillis, Math.min(2 * pauseMillis, PAUSE_MILLIS.longest))
    })
  }
  ask(PAUSE_MILLIS.first)
}
