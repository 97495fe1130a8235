import { availableParallelism } from 'node:os'
import { measureClassify } from './classify.ts'
import { measureDecision } from './decision.ts'
import { measureFreshness } from './freshness.ts'
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
}

async function main(): Promise<void> {
  let options: Options
  try {
    options = readOptions(process.argv.slice(2))
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
  if (options.isJson) {
    process.stdout.write(`${JSON.stringify({ machine, sections: sections.map(sectionAsData) }, undefined, 2)}\n`)
  } else {
    print("The tour's latency figures, over emulated oceans: pnpm demo --once\n")
  }
}

await main()
