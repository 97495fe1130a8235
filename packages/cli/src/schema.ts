import type { Knowledge } from '@headwater/core/internal'
import { UsageError } from './usage-error.ts'

/** As much of `@headwater/pg` and `pg` as is used here: both are optional, so neither's types are needed. */
interface Client {
  connect(): Promise<unknown>
  query(text: string): Promise<{ readonly rows: readonly unknown[] }>
  end(): Promise<void>
  on(event: 'error', listener: () => void): unknown
}
type ClientClass = new (config: {
  readonly connectionString: string
  readonly connectionTimeoutMillis: number
}) => Client
type LoadCatalog = (target: Client) => Promise<Knowledge>

/**
 * Reads what the database at `url` knows of its functions, views and operators.
 *
 * @throws {UsageError} when a package is missing or the database cannot be read; its message never holds the URL.
 */
export async function loadSchema(url: string): Promise<Knowledge> {
  const loadCatalog = exportOf<LoadCatalog>(await load('@headwater/pg'), 'loadCatalog', '@headwater/pg')
  const pg = await load('pg')
  const Client = exportOf<ClientClass>(Reflect.get(pg, 'default') ?? pg, 'Client', 'pg')
  let client: Client | undefined
  try {
    client = new Client({ connectionString: url, connectionTimeoutMillis: 10_000 })
    client.on('error', () => undefined)
    await client.connect()
    return await loadCatalog(client)
  } catch (error) {
    throw new UsageError(`the catalog could not be read from --schema-url: ${safeMessage(error)}`)
  } finally {
    await client?.end().catch(() => undefined)
  }
}

async function load(name: string): Promise<object> {
  try {
    return (await import(name)) as object
  } catch (error) {
    if (Reflect.get(Object(error), 'code') !== 'ERR_MODULE_NOT_FOUND') throw error
    throw new UsageError(
      `--schema-url needs ${name}, which is not installed here; install @headwater/pg and pg beside @headwater/cli`,
    )
  }
}

function exportOf<Export>(module: object, name: string, from: string): Export {
  const found: unknown = Reflect.get(module, name)
  if (typeof found === 'function') return found as Export
  throw new UsageError(`the installed ${from} has no ${name}; install the version of @headwater/cli`)
}

/** A URL that cannot be parsed comes back in the message of its error, password and all. */
function safeMessage(error: unknown): string {
  const code: unknown = Reflect.get(Object(error), 'code')
  if (code === 'ERR_INVALID_URL') return 'it is no URL; expected postgres://user@host:port/database'
  const isServers = Reflect.get(Object(error), 'severity') !== undefined
  if (isServers && error instanceof Error) return error.message
  return typeof code === 'string' ? code : 'no connection could be made'
}
