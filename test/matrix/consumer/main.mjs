/**
 * An app of each kind, as somebody has it who installed the packages: plain JavaScript, so that every runtime runs it.
 * Prints a line of JSON for each check, and the last one when nothing is left to do; ends by itself, or something of
 * ours keeps the runtime alive. PRIMARY_URL and REPLICA_URL name the two servers.
 */
import { httpChecks } from './http-checks.mjs'
import { ormChecks } from './orm-checks.mjs'
import { poolChecks } from './pool-checks.mjs'
import { World } from './world.mjs'

const longestCheckMillis = 30_000

const world = await World.open()
let failed = 0
for (const { name, run } of [...poolChecks, ...ormChecks, ...httpChecks]) {
  const error = await outcomeOf(run).catch((reason) => reason)
  if (error !== undefined) failed += 1
  console.log(JSON.stringify({ name, ...(error === undefined ? {} : { error: error?.stack ?? String(error) }) }))
}
await world.close()
process.exitCode = failed === 0 ? 0 : 1
console.log(JSON.stringify({ isDone: true }))

async function outcomeOf(run) {
  let timer
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no end within ${longestCheckMillis} ms`)), longestCheckMillis)
  })
  try {
    await Promise.race([run(world), limit])
  } finally {
    clearTimeout(timer)
  }
}
