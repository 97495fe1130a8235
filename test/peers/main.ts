import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { PAGE, runAll } from './run-all.ts'

const { values } = parseArgs({ options: { write: { type: 'boolean', default: false } } })
const { page, unable } = await runAll()
const reasons = Object.entries(unable).map(([name, reason]) => `skipped: ${name} cannot run here: ${reason}`)
for (const reason of reasons) console.error(reason)
if (!values.write) console.log(page)
else if (reasons.length === 0) await writeFile(PAGE, page)
else {
  console.error('the page is left as it is: it would lose a column')
  process.exitCode = 1
}
