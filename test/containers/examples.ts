import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startCluster } from '@headwater/cluster'
import { ROOT } from '../packaging/packed-package.ts'
import type { Engine } from './engine.ts'

const examplesFolder = join(ROOT, 'examples')

/** The examples that come with a Dockerfile. */
export const EXAMPLES: readonly string[] = readdirSync(examplesFolder).filter((name) =>
  existsSync(join(examplesFolder, name, 'Dockerfile')),
)

/**
 * Builds the image of an example as its Dockerfile says, migrates a real database with it, starts it beside a primary
 * and a replica, signs a guest in, and ends it. Leaves neither container nor image.
 */
export async function tryExample(engine: Engine, example: string): Promise<void> {
  const tag = `headwater-example-${example}`
  const dockerfile = join(examplesFolder, example, 'Dockerfile')
  // The registry is reached as this machine reaches it.
  await engine.command(['build', '--network', 'host', '--file', dockerfile, '--tag', tag, ROOT], 900_000)
  try {
    await using cluster = await startCluster({ replicas: ['nrt'] })
    const port = await freePort()
    const environment = {
      HOST: '127.0.0.1',
      PORT: String(port),
      FLY_REGION: 'ams',
      PRIMARY_REGION: 'ams',
      DATABASE_URL: cluster.primary.url,
      DATABASE_REPLICA_URL: cluster.replicas[0]?.url ?? '',
      HEADWATER_SECRET: randomBytes(32).toString('base64'),
      SESSION_SECRET: randomBytes(32).toString('base64'),
    }
    const flags = ['--network', 'host', ...Object.entries(environment).flatMap((pair) => ['--env', pair.join('=')])]
    await engine.command(['run', '--rm', ...flags, tag, 'node', 'src/migrate.ts'])
    await cluster.waitUntilCaughtUp()
    const id = (await engine.command(['run', '--detach', ...flags, tag])).split('\n').at(-1) ?? ''
    try {
      await useGuestBook(`http://127.0.0.1:${port}`, () => engine.command(['logs', id]))
      await engine.command(['stop', '--time', '20', id])
      const code = (await engine.command(['inspect', '--format', '{{.State.ExitCode}}', id])).split('\n').at(-1)
      if (code !== '0') throw new Error(`the app ended with ${code} when it was asked to end`)
    } finally {
      await engine.command(['rm', '--force', id])
    }
  } finally {
    await engine.command(['rmi', '--force', tag])
  }
}

/** A guest signs in, writes a note, and reads it. */
async function useGuestBook(url: string, log: () => Promise<string>): Promise<void> {
  const end = Date.now() + 30_000
  for (;;) {
    const first = await fetch(`${url}/api/notes`).catch(() => undefined)
    if (first?.status === 200) break
    if (Date.now() > end) throw new Error(`no answer at /api/notes within 30 s: ${first?.status}\n${await log()}`)
    await sleep(100)
  }
  const post = async (path: string, body: object, cookie = '') => {
    const headers = { 'content-type': 'application/json', cookie }
    const answer = await fetch(`${url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
    if (!answer.ok)
      throw new Error(`POST ${path} was answered ${answer.status}: ${await answer.text()}\n${await log()}`)
    return answer.headers.getSetCookie().map((line) => line.split(';')[0])
  }
  const cookies = await post('/api/session', { name: 'Ada' })
  const written = await post('/api/notes', { body: 'Hello from a container' }, cookies.join('; '))
  const headers = { cookie: [...cookies, ...written].join('; ') }
  const notes = await (await fetch(`${url}/api/notes`, { headers })).text()
  if (!notes.includes('Hello from a container')) throw new Error(`the note is not there: ${notes}\n${await log()}`)
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}
