import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as orm from 'drizzle-orm'
import { NodePgDatabase } from 'drizzle-orm/node-postgres'
import { migrate } from 'drizzle-orm/node-postgres/migrator'
import * as core from 'drizzle-orm/pg-core'
import { drizzle } from '../src/index.ts'
import { conformance } from './conformance.ts'
import { schemaOf } from './schema.ts'

const tables = schemaOf(core)
const { author, note } = tables
const authorRelations = orm.relations(author, ({ many }) => ({ notes: many(note) }))
const noteRelations = orm.relations(note, ({ one }) => ({
  author: one(author, { fields: [note.authorId], references: [author.id] }),
}))
const schema = { ...tables, authorRelations, noteRelations }

conformance('drizzle-orm 0.45', {
  orm,
  core,
  tables,
  NodePgDatabase,
  open: (client, cache) => drizzle(cache === undefined ? { client, schema } : { client, schema, cache }),
  async migrate(database, statements) {
    const migrationsFolder = await mkdtemp(join(tmpdir(), 'headwater-drizzle-'))
    try {
      await mkdir(join(migrationsFolder, 'meta'))
      const entries = statements.map((_, idx) => ({
        idx,
        when: idx + 1,
        tag: `${idx}`,
        version: '7',
        breakpoints: true,
      }))
      await writeFile(join(migrationsFolder, 'meta', '_journal.json'), JSON.stringify({ version: '7', entries }))
      await Promise.all(statements.map((text, index) => writeFile(join(migrationsFolder, `${index}.sql`), text)))
      await migrate(database, { migrationsFolder })
    } finally {
      await rm(migrationsFolder, { recursive: true })
    }
  },
})
