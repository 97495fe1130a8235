import { classify, createClassifier } from '@headwater/core/internal'
import { loadModule, parseSync } from 'libpg-query'
import { parse } from 'pgsql-ast-parser'
import type { Figure, Section } from './report.ts'
import { show } from './report.ts'
import { SAMPLES, type Sample } from './statements.ts'
import { summarise } from './statistics.ts'
import { type Contender, FreshTexts, timeInTurns } from './timing.ts'

/** The targets: of one short SELECT, and of the rest by length. */
const SHORT_MICROSECONDS = 1
const MICROSECONDS_PER_1000 = 5
const TIMES_FASTER = 20
const CACHED_NANOSECONDS = 150

/** What people write when they need one by tonight. */
const FIRST_WORD = /^\s*(?:select|with|values|table|show|explain)\b/i
const WRITE_WORD = /\b(?:insert|update|delete|merge|into|nextval|setval|for\s+(?:update|share))\b/i

/** The classifier against a real parser, a JavaScript parser and a regexp, in one run. */
export async function measureClassify(isQuick: boolean): Promise<readonly Section[]> {
  await loadModule()
  const figures: Figure[] = []
  const times = SAMPLES.map((sample) => timeInTurns(contendersOf(sample), isQuick ? 7 : 31))
  // Last: a parser that leaves megabytes behind would have the others pay for the collector.
  const slow = SAMPLES.map(({ sql }) =>
    timeInTurns([{ name: 'pgsql-ast-parser', work: (count) => repeat(count, () => parse(sql).length) }], 5),
  )
  for (const [index, sample] of SAMPLES.entries()) {
    figures.push(...figuresOf(sample, new Map([...(times[index] ?? []), ...(slow[index] ?? [])])))
  }
  return [
    {
      title: 'The classifier',
      note: 'Rounds in which each has its turn (pgsql-ast-parser last, alone); medians over the rounds. "Fresh" texts are built anew, so their hash is not known.',
      figures,
    },
  ]
}

function contendersOf({ sql }: Sample): readonly Contender[] {
  const classifier = createClassifier()
  classifier.classify(sql)
  const fresh = new FreshTexts([sql])
  return [
    { name: 'uncached', work: (iterations) => repeat(iterations, () => classify(sql).access.length) },
    {
      name: 'fresh',
      prepare: fresh.prepare,
      work: () => {
        let sum = 0
        for (const text of fresh.texts) sum += classifier.classify(text).access.length
        return sum
      },
    },
    { name: 'known', work: (iterations) => repeat(iterations, () => classifier.classify(sql).access.length) },
    {
      name: 'regexp',
      work: (iterations) => repeat(iterations, () => (FIRST_WORD.test(sql) && !WRITE_WORD.test(sql) ? 1 : 0)),
    },
    { name: 'libpg-query', work: (iterations) => repeat(iterations, () => parseSync(sql).stmts?.length ?? 0) },
  ]
}

function repeat(iterations: number, once: () => number): number {
  let sum = 0
  for (let iteration = 0; iteration < iterations; iteration += 1) sum += once()
  return sum
}

function figuresOf({ name, sql }: Sample, times: ReadonlyMap<string, readonly number[]>): Figure[] {
  const of = (contender: string): readonly number[] => times.get(contender) ?? []
  const inMicroseconds = of('uncached').map((nanoseconds) => nanoseconds / 1000)
  const label = `${name} (${sql.length.toLocaleString('en-US')} characters)`
  const isShort = sql.length <= 50
  const isCached = sql.length <= 8192
  const most = Math.max(SHORT_MICROSECONDS, (MICROSECONDS_PER_1000 * sql.length) / 1000)
  const fresh: Figure = { name: `${label}: cached, fresh text`, unit: 'ns', summary: summarise(of('fresh')) }
  return [
    {
      name: `${label}: uncached`,
      unit: 'µs',
      summary: summarise(inMicroseconds),
      target: { atMost: Number(most.toFixed(2)) },
    },
    ...(isCached ? [isShort ? { ...fresh, target: { atMost: CACHED_NANOSECONDS } } : fresh] : []),
    ...(isCached ? [{ name: `${label}: cached, known text`, unit: 'ns', summary: summarise(of('known')) }] : []),
    {
      ...timesFaster(`${label}: faster than libpg-query`, of('uncached'), of('libpg-query')),
      target: { atLeast: TIMES_FASTER },
    },
    timesFaster(`${label}: faster than pgsql-ast-parser`, of('uncached'), of('pgsql-ast-parser')),
    timesFaster(`${label}: faster than a regexp`, of('uncached'), of('regexp')),
  ]
}

/** Compared within each round: what the machine was busy with then, it was busy with for both. */
function timesFaster(name: string, ours: readonly number[], theirs: readonly number[]): Figure {
  const ratios = theirs.map((time, round) => time / (ours[round] ?? NaN))
  return { name, unit: '×', summary: summarise(ratios), beside: `${show(summarise(theirs).median / 1000)} µs` }
}
