import { tmpdir } from 'node:os'
import { describe, expect, test } from 'vitest'
import { adversarial } from './corpora/adversarial.ts'
import { adversarialOwn } from './corpora/adversarial-own.ts'
import { pgbench, sysbench, tpcc, tpch } from './corpora/benchmarks.ts'
import { drizzle } from './corpora/drizzle.ts'
import { grammar, grammarOddities } from './corpora/grammar.ts'
import { kysely } from './corpora/kysely.ts'
import { standbyTable } from './corpora/standby-table.ts'
import type { Corpus } from './corpus.ts'
import { type JudgeOptions, judgeAll } from './judge-all.ts'
import type { Count } from './judgement.ts'
import { readCatalog } from './knowledge.ts'
import type { Tally } from './tally.ts'

/** A sample of what `pnpm judge` runs; what Debian's archive is needed for is not in it. */
async function judge(
  corpora: readonly Corpus[],
  options: Partial<JudgeOptions> = {},
): Promise<ReadonlyMap<string, Tally>> {
  const { tallies, skipped } = await judgeAll({
    corpora,
    cacheFolder: tmpdir(),
    limit: 1200,
    seed: 20_261_122,
    signal: AbortSignal.timeout(100_000),
    ...options,
  })
  expect(skipped).toEqual([])
  return new Map(tallies.map((tally) => [tally.corpus, tally]))
}

const examples = (tally: Tally | undefined, count: Count) =>
  tally?.offences
    .filter((offence) => offence.count === count)
    .flatMap((offence) => offence.examples.map(({ sql }) => sql))

describe('R1, R2: a real standby, by the text alone', () => {
  test('what apps and the grammar send: nothing silent, and within the targets', { timeout: 120_000 }, async () => {
    const tallies = await judge([pgbench, sysbench, tpcc, tpch, grammar])
    let judged = 0
    let costly = 0
    for (const tally of tallies.values()) {
      expect(tally.judged, tally.corpus).toBeGreaterThan(10)
      expect(examples(tally, 'silent'), tally.corpus).toEqual([])
      expect(examples(tally, 'caught'), tally.corpus).toEqual([])
      judged += tally.judged
      costly += tally.counts.costly
    }
    expect(judged).toBeGreaterThan(1000)
    expect(costly / judged).toBeLessThanOrEqual(0.002)
  })

  test('what Kysely and Drizzle build: nothing silent, nothing caught', { timeout: 120_000 }, async () => {
    const tallies = await judge([kysely, drizzle])
    for (const tally of tallies.values()) {
      expect(tally.judged, tally.corpus).toBeGreaterThan(300)
      expect(examples(tally, 'silent'), tally.corpus).toEqual([])
      expect(examples(tally, 'caught'), tally.corpus).toEqual([])
      // A MERGE that does nothing behind WITH, a lock in a table expression that nobody reads.
      expect(tally.counts.costly, tally.corpus).toBeLessThanOrEqual(2)
    }
  })

  test('the table of a standby’s answers: wrong only where no text can tell', { timeout: 120_000 }, async () => {
    const table = (await judge([standbyTable])).get('standby-table')
    // A sequence that is read as a table: only the catalog knows it.
    expect(examples(table, 'silent')).toEqual(['TABLE s'])
    expect(table?.shown).toMatchObject({ silent: 0, caught: 0 })
    expect(table?.judged).toBeGreaterThan(390)
  })
})

describe('R1, R2: a real standby, with what its catalog tells', () => {
  test('R1: texts written to break the classifier: none is answered by a standby in silence', {
    timeout: 240_000,
  }, async () => {
    const tallies = await judge([adversarial, adversarialOwn], {
      learn: readCatalog,
      limit: 5000,
      signal: AbortSignal.timeout(220_000),
    })
    for (const tally of tallies.values()) {
      expect(examples(tally, 'silent'), tally.corpus).toEqual([])
      expect(examples(tally, 'caught'), tally.corpus).toEqual([])
    }
    const given = tallies.get('adversarial')
    console.log(
      `given inputs: ${(given?.texts ?? 0) - (given?.counts.silent ?? 0)} of ${given?.texts ?? 0} adversarial texts hold`,
    )
    expect(given?.texts).toBe(421)
    expect(given?.counts.costly).toBeLessThanOrEqual(21)
    // What shares a name with a relation is no relation: nothing of that suite is costly, and so the rest is all there is.
    expect(tallies.get('adversarial-own')?.texts).toBeGreaterThan(1600)
    const collisions = tallies
      .get('adversarial-own')
      ?.offences.filter(({ count }) => count === 'costly')
      .flatMap((offence) => offence.examples.filter(({ script }) => script === 'collisions'))
    expect(collisions).toEqual([])
  })

  test('nothing is silent, nothing is caught', { timeout: 120_000 }, async () => {
    const tallies = await judge([standbyTable, grammarOddities], { learn: readCatalog })
    for (const tally of tallies.values()) {
      expect(examples(tally, 'silent'), tally.corpus).toEqual([])
      expect(examples(tally, 'caught'), tally.corpus).toEqual([])
    }
  })
})
