import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ROOT } from '../packaging/packed-package.ts'
import type { Counts } from './cells.ts'
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

/** Runs integration tests of this repository whose path contains `path`, with variables of their own. */
export async function runVitest(
  path: string,
  env: Readonly<Record<string, string>>,
  leftOut: readonly string[] = [],
): Promise<{ readonly counts: Counts; readonly failures: readonly string[] }> {
  const folder = await mkdtemp(join(tmpdir(), 'headwater-report-'))
  try {
    const file = join(folder, 'report.json')
    const vitest = [join(ROOT, 'node_modules/vitest/vitest.mjs'), 'run', '--project', 'integration', path]
    const excluded = leftOut.map((file) => `--exclude=**/${file}.integration.test.ts`)
    const args = [...vitest, ...excluded, '--reporter=json', `--outputFile=${file}`, '--reporter=dot']
    const { output } = await runProgram(process.execPath, args, { cwd: ROOT, env, timeoutMillis: 600_000 })
    const text = await readFile(file, 'utf8').catch(() => undefined)
    const nothing = { passed: 0, failed: 0, skipped: 0 }
    if (text === undefined) return { counts: nothing, failures: [output.slice(-4000)] }
    return readReport(JSON.parse(text) as Report)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function readReport(report: Report): { readonly counts: Counts; readonly failures: readonly string[] } {
  const failures = report.testResults.flatMap(({ name, status, message, assertionResults }) => {
    const failed = assertionResults.filter((test) => test.status === 'failed')
    // A file that could not even begin has no test that failed.
    if (failed.length === 0) return status === 'failed' ? [`${name}: ${message}`] : []
    return failed.map((test) => `${test.fullName}: ${test.failureMessages?.join('\n')}`)
  })
  const { numPassedTests: passed, numFailedTests: failed, numPendingTests: skipped } = report
  return { counts: { passed, failed, skipped }, failures }
}
