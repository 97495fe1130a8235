import { openPool } from './database.ts'
import { readEnvironment } from './environment.ts'
import { migrate } from './migrations.ts'

/** Fly runs this once a deploy, in the primary's region, before any new machine starts (`release_command`). */
const pool = openPool(readEnvironment(process.env))
try {
  for (const name of await migrate(pool, new URL('../migrations/', import.meta.url))) console.log(`${name}: done`)
  console.log('The schema is up to date.')
} finally {
  await pool.end()
}
