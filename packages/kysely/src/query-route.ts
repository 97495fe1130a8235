import { withPrimary, withReplica } from '@headwater/core'
import { currentFrame } from '@headwater/core/internal'
import type { CompiledQuery } from 'kysely'
import { type Need, NodeNeeds } from './node-need.ts'

/** The ids that Kysely gave to queries of a read-only handle. */
const readOnlyQueries = new WeakSet<object>()

/** Marks a query as one of a read-only handle: it runs as inside `withReplica`. */
export function markReadOnly(queryId: object): void {
  readOnlyQueries.add(queryId)
}

/**
 * Routes a query by its operation node in addition to its text.
 *
 * The text decides where a query goes; the node can only make that stricter.
 */
export class QueryRoute {
  readonly #needs: NodeNeeds

  constructor(primaryTables: readonly string[]) {
    this.#needs = new NodeNeeds(primaryTables)
  }

  /** Where the query must run, by its operation node. */
  needOf(query: CompiledQuery): Need {
    return this.#needs.of(query.query, query.sql)
  }

  /** Sends a query inside `withPrimary` or `withReplica` when it needs that: `send` is called at once. */
  run<Sent>(query: CompiledQuery, need: Need, send: () => Sent): Sent {
    if (readOnlyQueries.has(query.queryId)) return withReplica(send)
    return need === 'primary' && currentFrame()?.forced !== 'replica' ? withPrimary(send) : send()
  }
}
