import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { packAll, ROOT } from '../packaging/packed-package.ts'
import { runPnpm } from '../packaging/run.ts'
import { isGood, type Outcome, type PostgresMajor, type Runtime, titleOf } from './cells.ts'
import { parseMatrixOptions, USAGE } from './matrix-options.ts'
import { runPostgres } from './postgres.ts'
import { record, today } from './record.ts'
import { makeApp, runRuntime } from './runtimes.ts'
import type { Tried } from './tried-on.ts'

const args = process.argv.slice(2)
if (args.includes('--help')) {
  console.log(USAGE)
  process.exit(0)
}
const { runtimes, postgres, isRecorded } = parseMatrixOptions(args)
const folder = await mkdtemp(join(tmpdir(), 'headwater-matrix-'))
const outcomes = new Map<Runtime | PostgresMajor, Outcome>()
try {
  // Servers do not run as root, and must reach their programs.
  await chmod(folder, 0o755)
  if (runtimes.length > 0) {
    await build()
    const app = join(folder, 'app')
    await makeApp(app, await packAll(join(folder, 'packed')))
    for (const runtime of runtimes) await add(runtime, () => runRuntime(runtime, app, folder))
  }
  for (const major of postgres) await add(major, () => runPostgres(major, folder, args.includes('--ends')))
} finally {
  await rm(folder, { recursive: true, force: true })
}
console.log(`\n${tableOf(outcomes)}\n`)
const bad = [...outcomes].filter(([, outcome]) => !isGood(outcome))
for (const [cell, outcome] of bad) {
  if (outcome.kind === 'run') console.log(`${titleOf(cell)}:\n${outcome.failures.join('\n')}\n`)
}
if (isRecorded) await record({ runtimes: triedOf(runtimes), postgres: triedOf(postgres) })
process.exitCode = bad.length === 0 ? 0 : 1

/** A test of what is packed must not meet what was built from other sources. */
async function build(): Promise<void> {
  const { code, output } = await runPnpm(['build'], ROOT)
  if (code !== 0) throw new Error(`The build ended with ${code}:\n${output}`)
}

async function add(cell: Runtime | PostgresMajor, run: () => Promise<Outcome>): Promise<void> {
  const start = performance.now()
  const outcome = await run()
  outcomes.set(cell, outcome)
  console.log(`${titleOf(cell)}: ${summaryOf(outcome)} (${((performance.now() - start) / 1000).toFixed(0)} s)`)
}

function summaryOf(outcome: Outcome): string {
  if (outcome.kind === 'skipped') return `skipped: ${outcome.reason}`
  const { passed, failed, skipped } = outcome.counts
  return `${outcome.version}, ${passed} passed, ${failed} failed, ${skipped} skipped`
}

function tableOf(seen: ReadonlyMap<Runtime | PostgresMajor, Outcome>): string {
  const rows = [...seen].map(
    ([cell, outcome]) => `| ${titleOf(cell)} | ${isGood(outcome) ? '' : '**failed** '}${summaryOf(outcome)} |`,
  )
  return ['| | |', '|-|-|', ...rows].join('\n')
}

function triedOf<Cell extends Runtime | PostgresMajor>(cells: readonly Cell[]): Partial<Record<Cell, Tried>> {
  const tried: Partial<Record<Cell, Tried>> = {}
  for (const cell of cells) {
    const outcome = outcomes.get(cell)
    if (outcome?.kind !== 'run') continue
    tried[cell] = { on: today(), version: outcome.version, counts: outcome.counts }
  }
  return tried
}
