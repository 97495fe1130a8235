import { createClassifier, currentFrame, WriteOnReplica, withPrimary, withReplica } from '@headwater/core'
import type { CompiledQuery } from 'kysely'
import { NodeNeeds } from './node-need.ts'

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
  readonly #classifier = createClassifier()

  constructor(primaryTables: readonly string[]) {
    this.#needs = new NodeNeeds(primaryTables)
  }

  /**
   * Sends a query off under the route that it needs: `send` is called once, at once.
   *
   * @throws {WriteOnReplica} inside `withReplica`, when the node writes and the text does not show it.
   */
  run<Sent>(query: CompiledQuery, send: () => Sent): Sent {
    if (readOnlyQueries.has(query.queryId)) return withReplica(() => this.#follow(query, send))
    return this.#follow(query, send)
  }

  /** Whether a text is one query that leaves nothing behind in its session, and does not ask for anything of it. */
  isPlainRead(text: string): boolean {
    const { because, count } = this.#classifier.classify(text)
    return because === 'reads-only' && count === 1
  }

  #follow<Sent>(query: CompiledQuery, send: () => Sent): Sent {
    const need = this.#needs.of(query.query, query.sql)
    if (need === 'text') return send()
    const frame = currentFrame()
    if (need === 'primary') return frame?.forced === 'replica' ? send() : withPrimary(send)
    // The usual case: the pool sees it too, and its reason says more than that it was forced.
    if (this.#classifier.classify(query.sql).access === 'write') return send()
    if (frame?.forced === 'replica') {
      throw new WriteOnReplica(
        `a ${query.query.kind} was kept from a replica: it ran inside withReplica() or through a read-only handle. Move it out, or use withPrimary().`,
      )
    }
    // R4: marked before it is sent, as the pool does with what it knows as a write.
    if (frame?.scope !== undefined) frame.scope.hasWritten = true
    return withPrimary(send)
  }
}
