import { withPrimary } from '@headwater/core'
import { currentFrame } from '@headwater/core/internal'
import type { CompiledQuery } from 'kysely'
import { type Need, NodeNeeds } from './node-need.ts'

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

  /** Sends a query inside `withPrimary` when it needs that: `send` is called at once. */
  run<Sent>(need: Need, send: () => Sent): Sent {
    return need === 'primary' && currentFrame()?.forced !== 'replica' ? withPrimary(send) : send()
  }
}
