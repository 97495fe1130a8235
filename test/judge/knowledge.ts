import type { Knowledge } from '@headwater/core/internal'
import { loadCatalog } from '@headwater/pg'
import pg from 'pg'

/** What the catalog of the database at `url` tells of its own functions, operators and relations. */
export async function readCatalog(url: string): Promise<Knowledge> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => undefined)
  await client.connect()
  try {
    return await loadCatalog(client)
  } finally {
    await client.end()
  }
}
