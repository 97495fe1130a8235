import { Client } from 'pg'

/** Runs SQL as the superuser on a connection of its own, which is closed at the end. */
export async function withAdminSession<Result>(
  address: { readonly host: string; readonly port: number },
  use: (client: Client) => Promise<Result>,
): Promise<Result> {
  const client = new Client({
    host: address.host,
    port: address.port,
    user: 'postgres',
    database: 'postgres',
    application_name: 'headwater-cluster',
    connectionTimeoutMillis: 10_000,
  })
  // A server that dies under an idle connection is the query's business, not the process's.
  client.on('error', () => {})
  try {
    await client.connect()
    return await use(client)
  } finally {
    await client.end().catch(() => {})
  }
}
