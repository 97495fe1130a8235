import { readFileSync, writeFileSync } from 'node:fs'
import type { Finding } from './checks.ts'

/** The page that holds the table. */
export const PAGE = new URL('../../docs/replay-anywhere.md', import.meta.url)

const BEGIN = '<!-- pnpm anywhere --record: from here -->'
const END = '<!-- to here -->'

/** What one edge showed; `undefined` where its program is not there. */
export interface Column {
  readonly name: string
  readonly findings: readonly Finding[] | undefined
}

/** The findings as a table: a row for each check, a column for each edge. */
export function tableOf(columns: readonly Column[]): string {
  const ran = columns.filter((column) => column.findings !== undefined)
  const checks = ran[0]?.findings?.map(({ check }) => check) ?? []
  const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [
    row(['', ...ran.map(({ name }) => name)]),
    row(['-', ...ran.map(() => '-')]),
    ...checks.map((check, at) =>
      row([
        check,
        ...ran.map(({ findings }) =>
          findings?.[at]?.isRight === true ? findings[at].saw : `WRONG: ${findings?.[at]?.saw}`,
        ),
      ]),
    ),
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
