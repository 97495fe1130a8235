import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { parseArgs } from 'node:util'
import { Stryker } from '@stryker-mutator/core'
import { EQUIVALENTS } from './equivalents.ts'
import { judge, type Mutant } from './verdict.ts'

const ROOT = join(import.meta.dirname, '../..')
/** The classifier has a judge of its own (`pnpm judge`); an index only passes names on. */
const LEFT_OUT = ['packages/core/src/**/classify/**', '**/index.ts', '**/internal.ts', '**/*.generated.ts']
const WANTED = 0.95

/**
 * Changes core's rules one small piece at a time, in a copy, and prints each change that no unit test of core notices.
 *
 * `--files GLOB` narrows it, from the root (may be repeated; default all of core but the classifier), `--sample N` takes
 * what stands on N lines drawn by lot, `--workers N` says how many run at once (default 2). Ends with 1 when fewer than
 * 95 of 100 are noticed or named in `equivalents.ts`.
 */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      files: { type: 'string', multiple: true },
      sample: { type: 'string' },
      workers: { type: 'string', default: '2' },
    },
  })
  process.chdir(ROOT)
  const patterns = values.files ?? ['packages/core/src/**/*.ts']
  const files = globSync(patterns, { exclude: LEFT_OUT }).sort()
  if (files.length === 0) throw new RangeError(`no file matches ${patterns.join(', ')}; paths begin at the root`)
  const targets = values.sample === undefined ? files : sample(files, wholeNumber('sample', values.sample))
  const workers = Math.min(wholeNumber('workers', values.workers), availableParallelism())

  const mutants = await runMutants(targets, workers)
  const verdict = judge(mutants, EQUIVALENTS, (fileName) => readFileSync(fileName, 'utf8'))
  for (const { place, mutator, line, change } of verdict.survivors) {
    console.log(`${place} ${mutator}\n  ${line}\n  ${change}`)
  }
  // A part of the files says nothing about the rest of the list.
  const isWhole = values.files === undefined && values.sample === undefined
  for (const { line, change } of isWhole ? verdict.stale : []) {
    console.log(`equivalents.ts names what does not survive:\n  ${line}\n  ${change}`)
  }
  const { killed, equivalent, survivors, share } = verdict
  const percent = (100 * share).toFixed(1)
  console.log(
    `${killed} killed, ${equivalent} equivalent, ${survivors.length} survive: ${percent} % (wanted: ${100 * WANTED} %)`,
  )
  if (share < WANTED) process.exitCode = 1
}

/** Tries every mutant of `targets` on a copy of core, with core's unit tests. */
async function runMutants(targets: readonly string[], workers: number): Promise<Mutant[]> {
  const folder = mkdtempSync(join(tmpdir(), 'headwater-mutants-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  const stryker = new Stryker({
    mutate: [...targets],
    testRunner: 'vitest',
    vitest: { configFile: 'test/mutants/vitest.config.ts' },
    plugins: ['@stryker-mutator/vitest-runner'],
    coverageAnalysis: 'perTest',
    concurrency: workers,
    // The copy holds core and its tests, and nothing else.
    tempDirName: folder,
    ignorePatterns: [
      '**',
      '!packages/core/*.*',
      '!packages/core/{src,test}/**',
      '!test/mutants/**',
      '!package.json',
      '!tsconfig.base.json',
    ],
    // Core's config needs no rewriting in the copy, and Stryker would do it with an API that TypeScript 7 has not.
    tsconfigFile: 'none',
    disableTypeChecks: false,
    // An endless loop is found by time; a machine that is busy with other things is not one.
    timeoutMS: 20_000,
    reporters: ['progress-append-only'],
    warnings: { slow: false, unknownOptions: true, preprocessorErrors: true, unserializableOptions: true },
    allowConsoleColors: false,
  })
  const mutants = await stryker.runMutationTest()
  return mutants.map((mutant) => ({ ...mutant, fileName: relative(ROOT, mutant.fileName) }))
}

/** N lines drawn by lot, as Stryker's ranges; only a change that lies within one line is tried. */
function sample(files: readonly string[], count: number): string[] {
  const lines = files.flatMap((file) => {
    const text = readFileSync(file, 'utf8').split('\n')
    return text.flatMap((line, at) => (/^\s*(\/?\*|\/\/|import|$)/.test(line) ? [] : `${file}:${at + 1}:0-${at + 2}:0`))
  })
  const ranked = lines.map((line) => ({ line, rank: Math.random() })).sort((left, right) => left.rank - right.rank)
  return ranked.slice(0, count).map(({ line }) => line)
}

function wholeNumber(option: string, value: string): number {
  if (/^[1-9]\d*$/.test(value)) return Number(value)
  throw new RangeError(`--${option} ${value} is no count; expected 1 or more`)
}

await main()
