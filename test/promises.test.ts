import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const page = new URL('../docs/promises.md', import.meta.url)

/** The rows of the last table: what is promised, the file, and the name of the test. */
const rows = readFileSync(page, 'utf8')
  .split('\n')
  .map((line) => /^\| (?<what>[^|]+?) +\| \[[^\]]+\]\((?<file>[^)]+)\) +\| (?<name>.+?) +\|$/.exec(line)?.groups)
  .flatMap((groups) => (groups === undefined ? [] : [groups]))

/** The first arguments of calls, where they are text: the titles of tests are among them. */
function titlesIn(source: string): string[] {
  return [...source.matchAll(/\(\s*'((?:[^'\\\n]|\\.)*)'\s*,/g)].map(([, title = '']) => title)
}

test('the page of promises names its tests', () => {
  expect(rows.length).toBeGreaterThan(40)
  expect(new Set(rows.map(({ name }) => name)).size).toBe(rows.length)
})

test.each(rows)('$what: $name', ({ file = '', name }) => {
  expect(titlesIn(readFileSync(new URL(file, page), 'utf8'))).toContain(name)
})

test('what the page links to is there', () => {
  const links = [...readFileSync(page, 'utf8').matchAll(/\]\((\.\.?\/[^)#]+)\)/g)].map(([, link = '']) => link)
  for (const link of links) expect(() => readFileSync(new URL(link, page)), link).not.toThrow(/ENOENT/)
})
