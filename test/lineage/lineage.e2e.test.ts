import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ANCESTORS } from './ancestors.ts'
import { Life } from './life.ts'

// Each line of docs/lineage.md that can be tried, tried: through the proxy, on real servers, in one world.

let life: Life
beforeAll(async () => {
  life = await Life.open()
})
afterAll(() => life?.[Symbol.asyncDispose]())

describe.each(ANCESTORS)('$title', ({ rows }) => {
  const tried = rows.flatMap(({ there, run, seen }) => (run === undefined ? [] : [{ there, run, seen }]))

  it.each(tried)('$there', { timeout: 30_000 }, async ({ run, seen }) => {
    expect(await run(life)).toBe(seen)
  })
})
