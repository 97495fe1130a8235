import type { Knowledge } from '@headwater/core'
import * as headwater from '@headwater/pg'
import pg from 'pg'

type Loader = (pool: pg.Pool) => Promise<Knowledge>

/**
 * Reads what the catalog of the database at a URL tells, by the loader of `@headwater/pg`.
 * @throws Error when this version of it has none
 */
export async function loadKnowledge(): Promise<(url: string) => Promise<Knowledge>> {
  const loader: unknown = Reflect.get(headwater, 'loadCatalog')
  if (typeof loader !== 'function') throw new Error('--catalog: this @headwater/pg exports no loadCatalog')
  return async (connectionString) => {
    const pool = new pg.Pool({ connectionString, max: 1 })
    pool.on('error', () => undefined)
    try {
      return await (loader as Loader)(pool)
    } finally {
      await pool.end()
    }
  }
}
