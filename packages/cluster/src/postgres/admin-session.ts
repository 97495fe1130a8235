import { Client } from 'pg'

/** Opens a connection as superuser, uses it, and closes it. */
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
  // The query reports a server that dies; an unhandled 'error' event would end the process.
  client.on('error', () => {})
  try {
    await client.connect()
    return await use(client)
  } finally {
    await client.end().catch(() => {})
  }
}
