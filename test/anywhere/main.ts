import { parseArgs } from 'node:util'
import { isThere } from '@headwater/example-local-world/proxy-program'
import { Anywhere } from './anywhere.ts'
import { allFindings, SHORT, WHOLE } from './checks.ts'
import { EDGES } from './edges.ts'
import { type Column, record, tableOf } from './table.ts'

// Every way to the primary's region, in full: `pnpm anywhere`, `--only forward`, `--short`, and `--record` for the table in the docs.

const { values } = parseArgs({
  options: { only: { type: 'string' }, short: { type: 'boolean' }, record: { type: 'boolean' } },
})
const sizes = values.short === true ? SHORT : WHOLE
const columns: Column[] = []
for (const edge of EDGES.filter(({ name }) => values.only === undefined || name.includes(values.only))) {
  if (edge.program !== undefined && !isThere(edge.program)) {
    console.log(`${edge.name} is skipped: there is no ${edge.program} on this machine`)
    continue
  }
  await using anywhere = await Anywhere.open(edge)
  const findings = await allFindings(anywhere, sizes)
  for (const { check, saw, isRight } of findings)
    console.log(`${isRight ? 'right' : 'WRONG'}  ${edge.name}: ${check}: ${saw}`)
  columns.push({ name: edge.name, findings })
}
console.log(`\n${tableOf(columns)}`)
if (values.record === true) record(columns)
process.exitCode = columns.some(({ findings }) => findings?.some(({ isRight }) => !isRight)) ? 1 : 0
