import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { PAGE, runAll } from './run-all.ts'

const { values } = parseArgs({ options: { write: { type: 'boolean', default: false } } })
const { page } = await runAll()
if (values.write) await writeFile(PAGE, page)
else console.log(page)
