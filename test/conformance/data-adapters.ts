import { createRequire } from 'node:module'
import { RoutedPool } from '@headwater/pg'
import type * as orm045 from 'drizzle-orm'
import type * as core045 from 'drizzle-orm/pg-core'
import type * as kysely029 from 'kysely'
import { vi } from 'vitest'
import type { DataAdapter } from './data.ts'
import { drizzleData } from './drizzle-data.ts'
import { kyselyData } from './kysely-data.ts'
import { pgData } from './pg-data.ts'

/**
 * What an adapter finds when it imports this. It may have a copy of the library of its own, beside other libraries than ours, and a
 * mock is one of a file: so the file is found as the adapter finds it.
 */
const fileFor = (adapter: string, name: string): string =>
  createRequire(import.meta.resolve(adapter))
    .resolve(name)
    .replace(/\.cjs$/, '.js')

/** What of the libraries the adapters import, by version. */
const LIBRARIES: Readonly<Record<'older' | 'newer', Readonly<Record<string, () => Promise<object>>>>> = {
  older: {
    kysely: () => import('kysely-0.28'),
  },
  newer: {
    [fileFor('@headwater/drizzle', 'drizzle-orm/node-postgres')]: () => import('drizzle-orm-1.0/node-postgres'),
    [fileFor('@headwater/drizzle', 'drizzle-orm/cache/core')]: () => import('drizzle-orm-1.0/cache/core'),
  },
}

/** Loads another copy of an adapter, whose imports of a library find another version of it. */
async function over<Module>(libraries: keyof typeof LIBRARIES, load: () => Promise<Module>): Promise<Module> {
  const entries = Object.entries(LIBRARIES[libraries])
  for (const [name, library] of entries) vi.doMock(name, library)
  vi.resetModules()
  try {
    return await load()
  } finally {
    for (const [name] of entries) vi.doUnmock(name)
    vi.resetModules()
  }
}

/** Every data adapter, over every version of its library that is promised to work. */
export async function loadDataAdapters(): Promise<readonly DataAdapter[]> {
  const older = await over('older', () => import('@headwater/kysely'))
  const newer = await over('newer', () => import('@headwater/drizzle'))
  await assertBuiltOn(older, newer)
  return [
    pgData,
    kyselyData('Kysely 0.28', { ...((await import('kysely-0.28')) as unknown as typeof kysely029), ...older }),
    kyselyData('Kysely 0.29', { ...(await import('kysely')), ...(await import('@headwater/kysely')) }),
    drizzleData('Drizzle 0.45', {
      orm: await import('drizzle-orm'),
      core: await import('drizzle-orm/pg-core'),
      drizzle: (await import('@headwater/drizzle')).drizzle,
    }),
    // The suite is typed by 0.45; at run time both versions have what it uses.
    drizzleData('Drizzle 1.0 rc', {
      orm: (await import('drizzle-orm-1.0')) as unknown as typeof orm045,
      core: (await import('drizzle-orm-1.0/pg-core')) as unknown as typeof core045,
      drizzle: newer.drizzle,
    }),
  ]
}

/** A mock that did not take would test one version twice. */
async function assertBuiltOn(
  { HeadwaterDialect }: typeof import('@headwater/kysely'),
  { drizzle }: typeof import('@headwater/drizzle'),
): Promise<void> {
  const { PostgresAdapter } = await import('kysely-0.28')
  const { NodePgDatabase } = await import('drizzle-orm-1.0/node-postgres')
  // Opens no connection.
  const pool = new RoutedPool({ connectionString: 'postgres://127.0.0.1:1/none' })
  const isOlder = new HeadwaterDialect({ pool }).createAdapter() instanceof PostgresAdapter
  const isNewer = (drizzle({ client: pool }) as object) instanceof NodePgDatabase
  await pool.end()
  if (!isOlder || !isNewer) throw new Error('an adapter is built on another version than the one it is named after')
}
