import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { isGood, type Outcome } from '../matrix/cells.ts'
import { record, today } from '../matrix/record.ts'
import { runProgram } from '../matrix/run-program.ts'
import { runVitest } from '../matrix/run-vitest.ts'
import { DEBIAN_PACKAGES, type Engine, openEngine } from './engine.ts'
import { EXAMPLES, tryExample } from './examples.ts'
import { makeNodeImage, makePostgresImage, POSTGRES_IMAGES, type PostgresImage } from './images.ts'

const USAGE = `pnpm containers [--only provider|examples] [--postgres 15,18] [--record] [--install] [--if-possible] [--clean]

Runs the tests of the cluster's provider "testcontainers" in real containers, and builds and starts the Dockerfiles of
the examples. Uses the Docker engine that answers. Where none does, on Debian and as root: Podman, for this run alone,
with images made of Debian's packages, which are kept in the cache folder.

  --install      first installs Debian's packages that it needs: ${DEBIAN_PACKAGES.join(', ')}
  --if-possible  a machine that runs no containers is no failure: the reason is printed
  --clean        removes the images that were kept, and ends`

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    postgres: { type: 'string', default: '18' },
    record: { type: 'boolean', default: false },
    install: { type: 'boolean', default: false },
    'if-possible': { type: 'boolean', default: false },
    clean: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
const cacheFolder = join(process.env['XDG_CACHE_HOME'] ?? tmpdir(), 'headwater-containers')

if (values.help) console.log(USAGE)
else if (values.clean) await rm(cacheFolder, { recursive: true, force: true })
else process.exitCode = await main()

async function main(): Promise<number> {
  if (values.only !== undefined && values.only !== 'provider' && values.only !== 'examples') {
    throw new Error(`--only is ${values.only}, expected provider or examples.`)
  }
  const majors = values.postgres.split(',').map(imageOf)
  if (values.install) await installPackages()
  const opened = await tryOut(() => openEngine(cacheFolder))
  if ('error' in opened) {
    console.log(`Skipped: ${opened.error.message}.`)
    return values['if-possible'] ? 0 : 1
  }
  await using engine = opened.value
  console.log(`${engine.name} runs the containers.`)
  let isGoodSoFar = true
  if (values.only !== 'examples') {
    for (const major of majors) isGoodSoFar = (await tryProvider(engine, major)) && isGoodSoFar
  }
  if (values.only !== 'provider') {
    if (!engine.hasRegistry) await makeNodeImage(engine)
    const good: Record<string, { on: string; engine: string }> = {}
    for (const example of EXAMPLES) {
      const isGoodOne = await reportExample(engine, example)
      if (isGoodOne) good[example] = { on: today(), engine: engine.name }
      isGoodSoFar = isGoodOne && isGoodSoFar
    }
    // Not before all are built: it writes files that their images are made of, and what was built for one serves the next.
    if (values.record) await record({ examples: good })
    // What the examples' builds have in common; whose engine it is decides about its own.
    if (!engine.hasRegistry) await engine.command(['image', 'prune', '--force'])
  }
  return isGoodSoFar ? 0 : 1
}

async function tryProvider(engine: Engine, major: PostgresImage): Promise<boolean> {
  const image = `postgres:${major}`
  const found = await tryOut(async () => {
    if (!engine.hasRegistry) await makePostgresImage(engine, major)
    return await engine.command(['run', '--rm', image, 'postgres', '--version'], 300_000)
  })
  if ('error' in found) {
    console.log(`${image} is skipped, for it does not run here: ${found.error.message}`)
    return values['if-possible']
  }
  const version = /\d+\.\d+/.exec(found.value)?.[0] ?? 'unknown'
  const env = { ...engine.env, HEADWATER_CLUSTER_IMAGE: image }
  const outcome: Outcome = { kind: 'run', version, ...(await runVitest('packages/cluster/test/containers', env)) }
  // The tests skip where no engine answers: here one does.
  const isRun = isGood(outcome) && outcome.counts.skipped === 0
  console.log(`${image} (${version}): ${outcome.counts.passed} passed, ${outcome.counts.failed} failed`)
  for (const failure of outcome.failures) console.log(failure)
  if (values.record) {
    const { counts } = outcome
    await record({ containers: { [image]: { on: today(), version, counts, engine: engine.name } } })
  }
  return isRun
}

async function reportExample(engine: Engine, example: string): Promise<boolean> {
  const tried = await tryOut(() => tryExample(engine, example))
  console.log(`${example}: ${'error' in tried ? tried.error.message : 'built, migrated, started, used and ended'}`)
  return !('error' in tried)
}

async function installPackages(): Promise<void> {
  const script = `apt-get update -qq && apt-get install -y -qq --no-install-recommends ${DEBIAN_PACKAGES.join(' ')}`
  const env = { DEBIAN_FRONTEND: 'noninteractive' }
  const { code, output } = await runProgram('sh', ['-c', script], { cwd: '/', env, timeoutMillis: 300_000 })
  if (code !== 0) console.log(`apt-get ended with ${code}: ${output.trim().slice(-500)}`)
}

function imageOf(word: string): PostgresImage {
  const found = POSTGRES_IMAGES.find((major) => String(major) === word.trim())
  if (found === undefined) throw new Error(`--postgres has ${word}, expected ${POSTGRES_IMAGES.join(', ')}.`)
  return found
}

async function tryOut<Value>(work: () => Promise<Value>): Promise<{ value: Value } | { error: Error }> {
  try {
    return { value: await work() }
  } catch (error) {
    return { error: error instanceof Error ? error : new Error(String(error)) }
  }
}
