import { classify } from '@headwater/core/internal'
import { describe, expect, test } from 'vitest'
import { drizzleQueries } from './corpora/drizzle.ts'
import { kyselyQueries } from './corpora/kysely.ts'
import { inlineParameters } from './inline-parameters.ts'

test('a parameter becomes a literal, but not what only looks like one', () => {
  const parameters = ["it's", null, { a: 1 }, ['x', 'y"z'], 5]
  expect(inlineParameters({ sql: `select '$1', "$2", $1, $2, $3, $4, $5`, parameters })).toBe(
    `select '$1', "$2", 'it''s', null, '{"a":1}', '{"x","y\\"z"}', 5`,
  )
  expect(() => inlineParameters({ sql: 'select $1', parameters: [] })).toThrow(RangeError)
})

describe('R1: the verdict on what a builder hands to its driver is the one on the text that the judge sends', () => {
  test.each([
    ['kysely', kyselyQueries],
    ['drizzle', async () => drizzleQueries()],
  ] as const)('%s', async (_name, build) => {
    const queries = await build()
    expect(new Set(queries.map(({ sql }) => sql)).size).toBeGreaterThan(300)
    const changed = queries.filter((query) => classify(query.sql).access !== classify(inlineParameters(query)).access)
    // A value that ends in a backslash: whether that escapes the quote is a setting of the session's.
    expect(changed.filter(({ parameters }) => !parameters.includes('\\'))).toEqual([])
  })
})
