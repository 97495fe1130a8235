import { Migrator } from 'kysely/migration'
import { openDatabase, openPool } from './database.ts'
import { readEnvironment } from './environment.ts'
import { provider } from './migrations.ts'

/**
 * Fly runs this once a deploy, in the primary's region, before any new machine starts (`release_command`). Kysely's
 * Migrator takes a lock of its own: of two that start at once, one finds nothing to do.
 */
const database = openDatabase(openPool(readEnvironment(process.env)))
try {
  const { error, results = [] } = await new Migrator({ db: database, provider }).migrateToLatest()
  for (const { migrationName, status } of results) console.log(`${migrationName}: ${status}`)
  if (error !== undefined) throw error
  console.log('The schema is up to date.')
} finally {
  await database.destroy()
}
