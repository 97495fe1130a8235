import { withReplica } from '@headwater/core'
import type { CompiledQuery, DatabaseConnection, QueryResult } from 'kysely'

type Options = Parameters<DatabaseConnection['executeQuery']>[1]

/** What Kysely 0.29 asks of a connection besides, and 0.28 does not know. */
interface Cancellable {
  cancelQuery?(control: unknown): Promise<void>
  killSession?(control: unknown): Promise<void>
}

/** A connection as a read-only handle has it: every statement on it runs as inside `withReplica`, whoever compiled it. */
export class ReadonlyConnection implements DatabaseConnection {
  readonly #connection: DatabaseConnection & Cancellable

  constructor(connection: DatabaseConnection) {
    this.#connection = connection
  }

  executeQuery<Row>(query: CompiledQuery, options?: Options): Promise<QueryResult<Row>> {
    return withReplica(() => this.#connection.executeQuery<Row>(query, options))
  }

  async *streamQuery<Row>(query: CompiledQuery, chunkSize: number): AsyncIterableIterator<QueryResult<Row>> {
    const stream = this.#connection.streamQuery<Row>(query, chunkSize)
    try {
      for (;;) {
        // A generator's body runs where its next step is asked for.
        const step = await withReplica(() => stream.next())
        if (step.done === true) return
        yield step.value
      }
    } finally {
      await stream.return?.()
    }
  }

  async cancelQuery(control?: unknown): Promise<void> {
    await this.#connection.cancelQuery?.(control)
  }

  async killSession(control?: unknown): Promise<void> {
    await this.#connection.killSession?.(control)
  }
}
