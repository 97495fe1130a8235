import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type * as orm045 from 'drizzle-orm'
import type * as core045 from 'drizzle-orm/pg-core'
import * as orm from 'drizzle-orm-1.0'
import { NodePgDatabase } from 'drizzle-orm-1.0/node-postgres'
import { migrate } from 'drizzle-orm-1.0/node-postgres/migrator'
import * as core from 'drizzle-orm-1.0/pg-core'
import { vi } from 'vitest'
import { drizzle } from '../src/index.ts'
import { conformance } from './conformance.ts'
import { schemaOf } from './schema.ts'
import type { Version } from './version.ts'

// The adapter's own source, over the other version.
vi.mock('drizzle-orm/node-postgres', () => import('drizzle-orm-1.0/node-postgres'))
vi.mock('drizzle-orm/cache/core', () => import('drizzle-orm-1.0/cache/core'))

// The suite is typed by 0.45; at run time both versions have what it uses.
const tables = schemaOf(core as unknown as typeof core045)
const { author, note } = tables as unknown as Record<'author' | 'note', core.PgTable>
const relations = Reflect.apply(orm.defineRelations, undefined, [
  { author, note },
  (r: orm.RelationsBuilder<Record<string, never>>) => relationsOf(r),
])

// biome-ignore format: one relation, one line
function relationsOf(builder: object): object {
  const { many, one, note, author } = builder as Record<'many' | 'one' | 'note' | 'author', Record<string, (config: object) => object>>
  return {
    author: { notes: many?.['note']?.({ from: author?.['id'], to: note?.['authorId'] }) },
    note: { author: one?.['author']?.({ from: note?.['authorId'], to: author?.['id'] }) },
  }
}

const open: Version['open'] = (client, cache) => Reflect.apply(drizzle, undefined, [{ client, relations, cache }])

conformance('drizzle-orm 1.0', {
  orm: orm as unknown as typeof orm045,
  core: core as unknown as typeof core045,
  tables,
  NodePgDatabase,
  open,
  async migrate(database, statements) {
    const migrationsFolder = await mkdtemp(join(tmpdir(), 'headwater-drizzle-'))
    try {
      for (const [index, text] of statements.entries()) {
        const folder = join(migrationsFolder, `2026010100000${index}_${index}`)
        await mkdir(folder)
        await writeFile(join(folder, 'migration.sql'), text)
      }
      await Reflect.apply(migrate, undefined, [database, { migrationsFolder }])
    } finally {
      await rm(migrationsFolder, { recursive: true })
    }
  },
})
