import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '..')
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8')

/** The rows `| R1 | … |` of a text: what stands beside each number. */
function promisesIn(text: string): ReadonlyMap<string, string> {
  const rows = [...text.matchAll(/^\| ([A-Z]\d+) +\| (.+?) +\|/gm)]
  expect(new Set(rows.map(([, number]) => number)).size, 'a number stands twice').toBe(rows.length)
  return new Map(rows.map(([, number = '', promise = '']) => [number, promise]))
}

/** The numbers that titles begin with: `R1: …`, `F1, F5: …`, `F6, pgdog#215: …`. */
function numbersIn(source: string): string[] {
  const heads = [...source.matchAll(/(?<=[\s(])(['"`])([A-Z]\d{1,2}(?:, [^'"`\n:]+)?): /g)]
  return heads.flatMap(([, , head = '']) => head.split(', ').filter((part) => /^[A-Z]\d+$/.test(part)))
}

const [, today = '', planned = ''] = read('docs/design.md').split(/^## (?:What holds today|Planned)$/m)
const held = promisesIn(today)
const unbuilt = promisesIn(planned)

const files = globSync(['packages/*/test/**/*.ts', 'test/**/*.ts', 'examples/*/test/**/*.ts'], {
  cwd: ROOT,
  exclude: (name) => name === 'node_modules',
})
const titled = new Map<string, string>()
for (const file of files) for (const number of numbersIn(read(file))) titled.set(number, file)

describe('docs/design.md', () => {
  test('has what holds and what is planned, and nothing in both', () => {
    expect([held.size > 25, unbuilt.size > 2]).toEqual([true, true])
    expect([...held.keys()].filter((number) => unbuilt.has(number))).toEqual([])
    for (const [, number = ''] of planned.matchAll(/^\| more of (\w+) /gm)) expect([...held.keys()]).toContain(number)
  })

  test.each([...held.keys()])('a test shows %s', (number) => {
    expect([...titled.keys()]).toContain(number)
  })

  test('no test names a promise that it has not', () => {
    const unknown = [...titled].filter(([number]) => !held.has(number) && !unbuilt.has(number))
    expect(unknown).toEqual([])
  })

  test("core's README has the same list, in the same words", () => {
    expect([...promisesIn(read('packages/core/README.md'))]).toEqual([...held])
  })
})

test.each([
  ["it('R1: a title', () => {", ['R1']],
  ["])('F1, F5: a title', (x) => {", ['F1', 'F5']],
  ['describe(\n  "F6, pgdog#215, a#2: a title",', ['F6']],
  ["row('R1')", []],
  ["it('not at its beginning R1: x')", []],
])('titles are found: %j', (source, numbers) => {
  expect(numbersIn(source)).toEqual(numbers)
})
