import { withPrimary, withReplica } from '@headwater/core'
import { currentFrame } from '@headwater/core/internal'
import type { CompiledQuery } from 'kysely'
import { type Need, NodeNeeds } from './node-need.ts'

/** The queries that were built through a read-only handle, by the id that Kysely gives each. */
const readOnlyQueries = new WeakSet<object>()

/** Marks a query as one of a read-only handle: it runs as inside `withReplica`. */
export function markReadOnly(queryId: object): void {
  readOnlyQueries.add(queryId)
}

/**
 * Adds what Kysely knows of a query to what the pool reads in its text.
 *
 * The text decides where a query goes; the operation node can only make that stricter.
 */
export class QueryRoute {
  readonly #needs: NodeNeeds

  constructor(primaryTables: readonly string[]) {
    this.#needs = new NodeNeeds(primaryTables)
  }

  /** What the query's operation node says of it. */
  needOf(query: CompiledQuery): Need {
    return this.#needs.of(query.query, query.sql)
  }

  /** Sends a query off under the route that it needs: `send` is called at once. */
  run<Sent>(query: CompiledQuery, need: Need, send: () => Sent): Sent {
    if (readOnlyQueries.has(query.queryId)) return withReplica(send)
    return need === 'primary' && currentFrame()?.forced !== 'replica' ? withPrimary(send) : send()
  }
}
