import { expect, test } from 'vitest'
import { judge, type Mutant } from './verdict.ts'

const SOURCE = `const limit = 3
if (value > limit) throw new RangeError('it is too much')
const code = '53300'
`

/** A mutant of the first `original` in the source. */
function mutant(original: string, replacement: string, status: string, mutatorName = 'EqualityOperator'): Mutant {
  const before = SOURCE.slice(0, SOURCE.indexOf(original)).split('\n')
  const start = { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 }
  const end = { line: start.line, column: start.column + original.length }
  return { fileName: 'src/limit.ts', location: { start, end }, replacement, status, mutatorName }
}

test('what a test noticed, or ran too long under, is killed', () => {
  const mutants = [mutant('value > limit', 'value >= limit', 'Killed'), mutant('value > limit', 'false', 'Timeout')]
  expect(judge(mutants, [], () => SOURCE)).toMatchObject({ killed: 2, survivors: [], share: 1 })
})

test('what nobody noticed survives, and is told by its place', () => {
  const mutants = [
    mutant('value > limit', 'value >=\n  limit', 'Survived'),
    mutant("'53300'", '""', 'NoCoverage', 'StringLiteral'),
  ]
  expect(judge(mutants, [], () => SOURCE)).toMatchObject({
    survivors: [
      {
        place: 'src/limit.ts:2:5',
        change: 'value > limit -> value >= limit',
        line: expect.stringMatching(/^if \(value/),
      },
      { place: 'src/limit.ts:3:14', change: '\'53300\' -> ""', line: "const code = '53300'" },
    ],
    share: 0,
  })
})

test('what is named as equivalent counts as killed, wherever its line stands', () => {
  const line = "if (value > limit) throw new RangeError('it is too much')"
  const entry = { line, change: 'value > limit -> true', reason: 'it is' }
  const other = { line: 'gone()', change: 'gone() -> ;', reason: 'it was' }
  const mutants = [mutant('value > limit', 'value >= limit', 'Survived'), mutant('value > limit', 'true', 'Survived')]
  expect(judge(mutants, [entry, other], () => SOURCE)).toMatchObject({
    equivalent: 1,
    survivors: [{ change: 'value > limit -> value >= limit' }],
    stale: [other],
    share: 0.5,
  })
})

test('neither the words of a message nor what does not compile is counted', () => {
  const mutants = [
    mutant("'it is too much'", '""', 'Survived', 'StringLiteral'),
    mutant("'it is too much'", '""', 'Killed', 'StringLiteral'),
    mutant('value > limit', '', 'CompileError'),
  ]
  expect(judge(mutants, [], () => SOURCE)).toMatchObject({ killed: 0, equivalent: 0, survivors: [], share: 1 })
})
