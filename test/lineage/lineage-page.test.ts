import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { ANCESTORS } from './ancestors.ts'
import type { Mark } from './row.ts'

const ROWS = ANCESTORS.flatMap(({ rows }) => rows)
const DOCS = new URL('../../docs/', import.meta.url)

/** One line of a Markdown table. */
const line = (...cells: readonly string[]): string =>
  `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`

const tally = (mark: Mark): string => `${mark} ${ROWS.filter((row) => row.mark === mark).length}`

const page = `# Beside the systems of its line

What others of this line do (fly-ruby, fly_postgres, LiteFS, fly-node, Navigator) and their cousins (Rails, makara, GitLab, D1, Turso), by their
sources, documents and trackers, and what Headwater does instead. This page is made from
[a suite](../test/lineage): what stands under *seen* is what it saw through the emulator of Fly's proxy, with an app on Express 5 in
each of two regions, on real servers. After a change, \`vitest run --project unit test/lineage/lineage-page.test.ts -u\` writes it anew.

**+** it is here · **++** it is here, and holds more · **~** half of it is · **−** it is not · **n** outside what Headwater is for. The last three
have their reason.

${ROWS.length} lines: ${(['+', '++', '~', '−', 'n'] as const).map(tally).join(', ')}.
${ANCESTORS.map(
  ({ title, rows }) => `
## ${title}

${line('there', '', 'here', 'seen')}
${line('---', '---', '---', '---')}
${rows.map(({ there, mark, here, why, seen, shownBy }) => line(there, mark, [here, why].filter(Boolean).join('; '), seen ?? (shownBy === undefined ? '' : `[a test of its own](${shownBy[0]})`))).join('\n')}
`,
).join('')}`

describe('the page of the line', () => {
  test('is what the suite sees', async () => {
    await expect(page).toMatchFileSnapshot('../../docs/lineage.md')
  })

  test('has every row of the comparison, none twice, and no word without a test or a reason', () => {
    expect(ROWS).toHaveLength(73)
    expect(new Set(ROWS.map(({ there }) => there)).size).toBe(ROWS.length)
    for (const { there, mark, why, run, seen, shownBy } of ROWS) {
      const isHere = mark === '+' || mark === '++'
      expect(why === undefined, there).toBe(isHere)
      if (isHere) expect(run !== undefined || shownBy !== undefined, there).toBe(true)
      expect(run === undefined, there).toBe(seen === undefined)
    }
  })

  test.each(ROWS.flatMap(({ shownBy }) => (shownBy === undefined ? [] : [shownBy])))('%s: %s', (file, title) => {
    expect(readFileSync(new URL(file, DOCS), 'utf8')).toContain(`'${title}'`)
  })
})
