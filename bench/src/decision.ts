import { runInScope, Scope } from '@headwater/core'
import { currentFrame } from '@headwater/core/internal'
import { Engine } from '../../packages/pg/src/execution/engine.ts'
import { LONE_QUERIES } from '../../packages/pg/src/execution/lone-queries.ts'
import { RoutedQuery } from '../../packages/pg/src/execution/routed-query.ts'
// The decision itself: what RoutedPool asks for each query, without a connection behind it.
import { resolveOptions } from '../../packages/pg/src/options/options.ts'
import type { Figure, Section } from './report.ts'
import { summarise } from './statistics.ts'
import { type Contender, FreshTexts, timeInTurns } from './timing.ts'

const MOST_NANOSECONDS = 200

const READS = [
  'select 1',
  'select "id", "body" from "note" where "id" = $1',
  'select "id", "body" from "note" order by "id" desc limit $1',
  'select count(*) from "note" where "region" = $1',
  'select "n"."id", "a"."name" from "note" as "n" join "author" as "a" on "a"."id" = "n"."author_id" where "n"."id" = $1',
]
const MIXED = [
  ...READS,
  'insert into "note" ("body") values ($1) returning "id"',
  'update "note" set "body" = $1 where "id" = $2',
]

interface Situation {
  readonly name: string
  readonly region: string
  readonly hasReplica: boolean
  readonly isScoped: boolean
  readonly texts: readonly string[]
}

const SITUATIONS: readonly Situation[] = [
  { name: 'at home, no replica', region: 'ams', hasReplica: false, isScoped: false, texts: MIXED },
  { name: 'at home, local replica', region: 'ams', hasReplica: true, isScoped: false, texts: MIXED },
  // Reads only: after a write the scope's reads go to the primary, which is another decision.
  { name: 'at home, local replica, in a request', region: 'ams', hasReplica: true, isScoped: true, texts: READS },
  { name: 'away from home, in a request', region: 'nrt', hasReplica: true, isScoped: true, texts: MIXED },
]

/** The time of one decision: frame, verdict on the text, situation, route. */
export async function measureDecision(isQuick: boolean): Promise<readonly Section[]> {
  const figures: Figure[] = []
  for (const situation of SITUATIONS) {
    const contenders = contendersOf(situation)
    const times = timeInTurns(contenders, isQuick ? 15 : 101)
    for (const { name } of contenders) {
      const summary = summarise(times.get(name) ?? [])
      figures.push({ name: `${situation.name}: ${name}`, unit: 'ns', summary, target: { atMost: MOST_NANOSECONDS } })
    }
  }
  return [
    {
      title: 'One decision',
      note: 'The frame of the caller, the verdict on a text seen before, the situation, the route. "Fresh" texts are built anew for each, so their hash is not known.',
      figures,
    },
  ]
}

function contendersOf({ region, hasReplica, isScoped, texts }: Situation): readonly Contender[] {
  const replicas = hasReplica ? [{ region, port: 1 }] : []
  const engine = new Engine(
    resolveOptions({ logger: false, region, primary: { region: 'ams', port: 1 }, replicas }, {}),
  )
  for (const text of texts) engine.verdicts.of(text)
  const fresh = new FreshTexts(texts)
  const isolated = (work: () => number): number =>
    isScoped ? runInScope(new Scope({ kind: 'request' }), work) : work()
  return [
    {
      name: 'known text',
      work: (iterations) => isolated(() => decideAll(engine, texts, iterations)),
    },
    {
      name: 'fresh text',
      prepare: fresh.prepare,
      work: (iterations) => isolated(() => decideAll(engine, fresh.texts, iterations)),
    },
  ]
}

/** Nobody waits for an answer here. */
function ignore(): void {}

function decideAll(engine: Engine, texts: readonly string[], iterations: number): number {
  let sum = 0
  const count = texts.length
  for (let iteration = 0, index = 0; iteration < iterations; iteration += 1) {
    const frame = currentFrame()
    const text = texts[index] ?? ''
    const statement = engine.verdicts.of(text)
    const call = { text, config: text, values: undefined, callback: undefined, submittable: undefined }
    const query = new RoutedQuery(call, frame, ignore, statement, LONE_QUERIES, engine.verdicts.generation)
    const decision = engine.decisions.decide(query)
    sum += decision.reason.length
    index = index + 1 === count ? 0 : index + 1
  }
  return sum
}
