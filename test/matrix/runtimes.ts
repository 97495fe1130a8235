import { cp, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startCluster } from '@headwater/cluster'
import { type PackedPackage, ROOT } from '../packaging/packed-package.ts'
import type { Outcome, Runtime } from './cells.ts'
import { install } from './install.ts'
import { runProgram } from './run-program.ts'

/** What the consumer uses beside our packages; the versions are the newest in the ranges of this repository. */
const BESIDE = ['pg', 'hono', '@hono/node-server', 'express', 'koa', 'kysely', 'drizzle-orm']

/** How each runtime is called with a script. */
const ARGUMENTS: Readonly<Record<string, readonly string[]>> = {
  node: [],
  bun: ['run'],
  // What npm installed, and no lock file beside it.
  deno: ['run', '--allow-all', '--node-modules-dir=manual', '--no-lock'],
}

/** Makes an app of `folder` that has the packed packages by npm, as its users would. */
export async function makeApp(folder: string, packages: readonly PackedPackage[]): Promise<void> {
  const { devDependencies } = JSON.parse(await readFile(join(ROOT, 'test/package.json'), 'utf8')) as {
    devDependencies: Readonly<Record<string, string>>
  }
  const catalog = await readFile(join(ROOT, 'pnpm-workspace.yaml'), 'utf8')
  const dependencies: Record<string, string> = {}
  for (const name of BESIDE) {
    const range = new RegExp(`^ {2}"?${name}"?: (.+)$`, 'm').exec(catalog)?.[1]
    if (devDependencies[name] !== 'catalog:' || range === undefined) throw new Error(`${name} is not in the catalog`)
    dependencies[name] = range
  }
  for (const { manifest, tarball } of packages) dependencies[manifest.name] = `file:${tarball}`
  await install(folder, dependencies)
  await cp(join(import.meta.dirname, 'consumer'), folder, { recursive: true })
}

/** Runs the app on a runtime that npm installs, against a cluster of its own. */
export async function runRuntime(runtime: Runtime, app: string, workFolder: string): Promise<Outcome> {
  const [name = '', major = ''] = runtime.split('-')
  const folder = join(workFolder, runtime)
  try {
    await install(folder, { [name]: major })
  } catch (error) {
    return { kind: 'skipped', reason: `${name}@${major} could not be installed: ${(error as Error).message}` }
  }
  const program = join(folder, 'node_modules/.bin', name)
  const asked = await runProgram(program, ['--version'], { cwd: folder, timeoutMillis: 30_000 })
  const version = /\d+\.\d+\.\d+/.exec(asked.output)?.[0]
  if (asked.code !== 0 || version === undefined) {
    return { kind: 'skipped', reason: `${name}@${major} does not run here: ${asked.output.trim().slice(0, 300)}` }
  }
  await using cluster = await startCluster({ replicas: ['nrt'] })
  const { code, output } = await runProgram(program, [...(ARGUMENTS[name] ?? []), 'main.mjs'], {
    cwd: app,
    env: {
      PRIMARY_URL: cluster.primary.url,
      REPLICA_URL: cluster.replicas[0]?.url,
      NODE_OPTIONS: '',
      DENO_NO_UPDATE_CHECK: '1',
      DENO_DIR: join(folder, 'deno'),
    },
    timeoutMillis: 120_000,
  })
  return outcomeOf(version, code, output)
}

/** Reads what the consumer printed: a line for each check, and one when it had nothing left to do. */
function outcomeOf(version: string, code: number | undefined, output: string): Outcome {
  const lines = output.split('\n').filter((line) => line.startsWith('{"'))
  const said = lines.map((line) => JSON.parse(line) as { name?: string; error?: string; isDone?: boolean })
  const checks = said.filter((line) => line.name !== undefined)
  const failures = checks.filter(({ error }) => error !== undefined).map(({ name, error }) => `${name}: ${error}`)
  if (!said.some(({ isDone }) => isDone === true)) failures.push(`it ended with ${code} before its end:\n${output}`)
  else if (code === undefined) failures.push('it was done, and did not end: something keeps the runtime alive')
  else if (code !== 0 && failures.length === 0) failures.push(`it ended with ${code}:\n${output}`)
  const failed = checks.filter(({ error }) => error !== undefined).length
  return { kind: 'run', version, counts: { passed: checks.length - failed, failed, skipped: 0 }, failures }
}
