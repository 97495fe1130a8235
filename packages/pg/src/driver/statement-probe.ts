import type pg from 'pg'
import { extendedOf, internalsOf } from './pg-internals.ts'
import { SentQuery, takesSentQueries } from './sent-query.ts'
import type { Settle } from './settle.ts'
import type { TrackedClient } from './tracked-client.ts'

const NAME = 'headwater_probe'
const IS_RENAMED = `select not exists (select from pg_catalog.pg_prepared_statements where name operator(pg_catalog.=) '${NAME}')`

/** Prepares, runs and closes a statement under a name, in one round trip: nothing stays behind. */
class Probe extends SentQuery {
  isRenamed = false

  constructor(callback: Settle) {
    super({ text: IS_RENAMED }, IS_RENAMED, undefined, callback)
  }

  override submit(connection: pg.Connection): null {
    const wire = extendedOf(connection)
    connection.stream.cork()
    wire.parse({ name: NAME, text: IS_RENAMED })
    wire.bind({ statement: NAME })
    wire.execute({})
    wire.close({ type: 'S', name: NAME })
    connection.sync()
    connection.stream.uncork()
    return null
  }

  override handleDataRow({ fields }: { readonly fields: readonly unknown[] }): void {
    this.isRenamed = String(fields[0]) === 't'
  }
}

/**
 * Finds out whether a pooler that shares its sessions keeps named statements. One that does prepares them under names of its own, on
 * whichever session they are used next; another passes the name on to the session of the moment.
 */
export function probeStatements(client: TrackedClient, found: (isKept: boolean) => void): void {
  if (!takesSentQueries(client)) return found(false)
  const probe = new Probe((error) => client.whenSettled(() => found(!error && probe.isRenamed)))
  internalsOf(client).query(probe)
}
