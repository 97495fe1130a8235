import { once } from 'node:events'
import type { Server } from 'node:http'
import { createAdaptorServer } from '@hono/node-server'
import { createApp } from './app.ts'
import { openDatabase } from './database.ts'
import { readEnvironment } from './environment.ts'

/** How long requests that are under way may take to end, in ms; `kill_timeout` of fly.toml is longer. */
const GRACE = 10_000

const environment = readEnvironment(process.env)
const database = openDatabase(environment)
// Without a factory of HTTP/2 it is node:http's.
const server = createAdaptorServer({ fetch: createApp(database, environment).fetch }) as Server
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
await database.$client.end()
console.log('Ended.')
