import { describe, expect, test } from 'vitest'
import { AREAS } from './semantics/areas.ts'

const ROWS = AREAS.flatMap(({ rows }) => rows)
const DIFFERENCES = ROWS.filter(({ differs }) => differs !== undefined)

/** One line of a Markdown table. */
const line = (...cells: readonly string[]): string =>
  `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`

const page = `# pg's semantics, one by one

What \`pg.Pool\` and its clients do, and whether \`RoutedPool\` does the same. This page is made from
[the tests](test/semantics): each line is code that is run against both, on real servers
(\`semantics.integration.test.ts\`). After a change, \`vitest run --project unit packages/pg/test/semantics-page.test.ts -u\`
writes it anew.

${ROWS.length} lines: ${ROWS.length - DIFFERENCES.length} are the same, ${DIFFERENCES.length} differ on purpose.
${AREAS.map(
  ({ title, rows }) => `
## ${title}

${line('pg', 'RoutedPool', 'why')}
${line('---', '---', '---')}
${rows.map(({ says, differs }) => (differs === undefined ? line(says, 'same', '') : line(says, `**differs:** ${differs.here}`, differs.why))).join('\n')}
`,
).join('')}`

describe('R10: the page of semantics', () => {
  test('is what the tests say', async () => {
    await expect(page).toMatchFileSnapshot('../PG-SEMANTICS.md')
  })

  test('says nothing twice, and a reason for each difference', () => {
    expect(new Set(ROWS.map(({ says }) => says)).size).toBe(ROWS.length)
    expect(ROWS.length).toBeGreaterThan(150)
    for (const { says, gives, differs } of DIFFERENCES) {
      expect(differs?.why.length, says).toBeGreaterThan(5)
      expect(differs?.gives, says).not.toEqual(gives)
    }
  })
})
