import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { measureClassify } from './classify.ts'
import { measureColdStart } from './cold-start.ts'
import { compareRuns, type EarlierRun, readEarlierRun, renderComparison } from './compare.ts'
import { measureContest } from './contest/contest.ts'
import { measureDecision } from './decision.ts'
import { measureFreshness } from './freshness.ts'
import { measureGrowth } from './growth.ts'
import { measureHttp } from './http/http.ts'
import { measureLanes } from './lanes.ts'
import { type BenchName, type Options, readOptions, USAGE } from './options.ts'
import { measureOrm } from './orm.ts'
import { measurePool } from './pool.ts'
import { measurePooler } from './pooler.ts'
import { renderSection, type Section, sectionAsData } from './report.ts'
import { measureWrites } from './writes.ts'

const MEASURES: Readonly<Record<BenchName, (isQuick: boolean) => Promise<readonly Section[]>>> = {
  pool: measurePool,
  pooler: measurePooler,
  lanes: measureLanes,
  orm: measureOrm,
  freshness: measureFreshness,
  decision: measureDecision,
  classify: measureClassify,
  writes: measureWrites,
  http: measureHttp,
  'cold-start': measureColdStart,
  contest: measureContest,
  growth: measureGrowth,
}

async function main(): Promise<void> {
  let options: Options
  let earlier: EarlierRun | undefined
  try {
    options = readOptions(process.argv.slice(2))
    if (options.compareWith !== undefined) earlier = readEarlierRun(readFileSync(options.compareWith, 'utf8'))
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`)
    process.exitCode = 2
    return
  }
  const machine = { cores: availableParallelism(), node: process.version, isQuick: options.isQuick }
  const print = (text: string): void => void (options.isJson || process.stdout.write(text))
  print(`${machine.cores} cores, Node ${machine.node}${options.isQuick ? ', quick' : ''}\n\n`)
  const sections: Section[] = []
  for (const name of options.names) {
    for (const section of await MEASURES[name](options.isQuick)) {
      sections.push(section)
      print(`${renderSection(section)}\n`)
    }
  }
  const comparison = earlier && compareRuns(earlier.sections, sections)
  if (comparison !== undefined) print(`${renderComparison(comparison)}\n`)
  if (options.isJson) {
    process.stdout.write(
      `${JSON.stringify({ machine, sections: sections.map(sectionAsData), comparison }, undefined, 2)}\n`,
    )
  } else {
    print("The tour's latency figures, over emulated oceans: pnpm demo --once\n")
  }
}

await main()
