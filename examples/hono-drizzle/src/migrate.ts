import { fileURLToPath } from 'node:url'
import { migrate } from 'drizzle-orm/node-postgres/migrator'
import { openDatabase } from './database.ts'
import { readEnvironment } from './environment.ts'

/** Fly runs this once a deploy, in the primary's region, before any new machine starts (`release_command`). */
const database = openDatabase(readEnvironment(process.env))
try {
  const migrationsFolder = fileURLToPath(new URL('../migrations', import.meta.url))
  // Drizzle's migrator takes no lock of its own; two deploys at once must not do the same work.
  const client = await database.$client.connect()
  try {
    await client.query("select pg_advisory_lock(hashtext('guest-book migrations'))")
    await migrate(database, { migrationsFolder })
  } finally {
    // Closing the connection gives the lock back.
    client.release(true)
  }
  console.log('The schema is up to date.')
} finally {
  await database.$client.end()
}
