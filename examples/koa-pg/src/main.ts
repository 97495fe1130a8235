import { once } from 'node:events'
import { createServer } from 'node:http'
import { createApp } from './app.ts'
import { openPool } from './database.ts'
import { readEnvironment } from './environment.ts'

/** How long requests that are under way may take to end, in ms; `kill_timeout` of fly.toml is longer. */
const GRACE = 10_000

const environment = readEnvironment(process.env)
const pool = openPool(environment)
const server = createServer(createApp(pool, environment).callback())
server.listen(environment.PORT, environment.HOST)
await once(server, 'listening')
const address = server.address()
const port = typeof address === 'object' ? address?.port : environment.PORT
console.log(`Listening on http://${environment.HOST}:${port}`)

await Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')])
// No new connections; idle ones are closed, and busy ones after their answer.
const closed = once(server, 'close')
server.close()
const cutting = setTimeout(() => server.closeAllConnections(), GRACE)
await closed
clearTimeout(cutting)
await pool.end()
console.log('Ended.')
