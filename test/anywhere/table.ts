import { readFileSync, writeFileSync } from 'node:fs'
import type { Finding } from './finding.ts'

/** The page that holds the table. */
export const PAGE = new URL('../../docs/replay-anywhere.md', import.meta.url)

const BEGIN = '<!-- pnpm anywhere --record: from here -->'
const END = '<!-- to here -->'

/** What one way showed. */
export interface Column {
  readonly name: string
  readonly findings: readonly Finding[]
}

/** The findings as a table: a row for each check, a column for each way. */
export function tableOf(columns: readonly Column[]): string {
  const checks = columns[0]?.findings.map(({ check }) => check) ?? []
  const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  const cell = (finding: Finding | undefined) => (finding?.isRight === true ? finding.saw : `WRONG: ${finding?.saw}`)
  return [
    row(['', ...columns.map(({ name }) => name)]),
    row(['-', ...columns.map(() => '-')]),
    ...checks.map((check, at) => row([check, ...columns.map(({ findings }) => cell(findings[at]))])),
  ].join('\n')
}

/** Puts the table into the page. */
export function record(columns: readonly Column[]): void {
  const [before = '', rest = ''] = readFileSync(PAGE, 'utf8').split(BEGIN)
  const [, after = ''] = rest.split(END)
  writeFileSync(PAGE, `${before}${BEGIN}\n\n${tableOf(columns)}\n\n${END}${after}`)
}

/** The table as the page has it. */
export function recorded(): string {
  return (readFileSync(PAGE, 'utf8').split(BEGIN)[1]?.split(END)[0] ?? '').trim()
}
