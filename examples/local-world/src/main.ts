import { once } from 'node:events'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { LocalWorld, REGIONS } from './local-world.ts'
import { readVia, type Via } from './via.ts'

/** Runs the app in the folder that is named, until Ctrl-C. */
async function main(folder: string, via: Via): Promise<void> {
  const ending = new AbortController()
  const end = (): void => ending.abort()
  process.once('SIGINT', end)
  process.once('SIGTERM', end)
  const { signal } = ending
  try {
    await using world = await LocalWorld.start({
      folder: resolve(folder),
      ports: { nrt: portOf('PORT_NRT', 8080), ams: portOf('PORT_AMS', 8081) },
      via,
      onLine: (from, line) => process.stdout.write(`${from.padEnd(7)} │ ${line}\n`),
      signal,
    })
    process.stdout.write('\n')
    for (const region of REGIONS) process.stdout.write(`as if from ${region}: ${world.url(region)}\n`)
    process.stdout.write('\nCtrl-C ends everything.\n\n')
    if (!signal.aborted) await once(signal, 'abort')
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

/** The port of an edge, from the environment. */
function portOf(name: string, fallback: number): number {
  const port = Number(process.env[name] ?? fallback)
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port
  throw new TypeError(`${name} is no port; expected 0 to 65535`)
}

const { positionals, values } = parseArgs({
  // `pnpm dev -- --via forward` says the two dashes too.
  args: process.argv.slice(2).filter((argument) => argument !== '--'),
  options: { via: { type: 'string', default: 'fly' } },
  allowPositionals: true,
})
await main(positionals[0] ?? '.', readVia(values.via))
