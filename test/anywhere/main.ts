import { parseArgs } from 'node:util'
import { isThere } from '@headwater/example-local-world/proxy-program'
import { allFindings, SHORT, WHOLE } from './all-findings.ts'
import { Anywhere } from './anywhere.ts'
import { type Column, record, tableOf } from './table.ts'
import { WAY_NAMES, wayOf } from './ways.ts'

// Every way to the primary's region, in full: `pnpm anywhere`, `--only forward`, `--short`, and `--record` for the table in the docs.

const { values } = parseArgs({
  options: { only: { type: 'string' }, short: { type: 'boolean' }, record: { type: 'boolean' } },
})
const sizes = values.short === true ? SHORT : WHOLE
const columns: Column[] = []
for (const name of WAY_NAMES.filter((one) => values.only === undefined || one.includes(values.only))) {
  const { program } = wayOf(name)
  if (program !== undefined && !isThere(program)) {
    console.log(`${name} is skipped: there is no ${program} on this machine`)
    continue
  }
  await using anywhere = await Anywhere.open(name)
  const findings = []
  for await (const finding of allFindings(anywhere, sizes)) {
    findings.push(finding)
    console.log(`${finding.isRight ? 'right' : 'WRONG'}  ${name}: ${finding.check}: ${finding.saw}`)
  }
  columns.push({ name, findings })
  if (values.record === true) record(columns)
}
console.log(`\n${tableOf(columns)}`)
process.exitCode = columns.some(({ findings }) => findings.some(({ isRight }) => !isRight)) ? 1 : 0
