import { parseArgs } from 'node:util'
import { type StormReport, storm } from './storm.ts'

// Small reads on shared connections in a storm, beside the same without: `pnpm lanes`, ten minutes each; `--seconds 60`, `--callers 20`.

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '600' }, callers: { type: 'string', default: '20' } },
})
const sizes = { seconds: Number(values.seconds), callers: Number(values.callers) }
/** How much later a point read in a hundred may be than without lanes, in ms. */
const LATER_MILLIS = 5

const without = await tell('without lanes', false)
const withLanes = await tell('with lanes', true)
const isLate = withLanes.p99 > without.p99 + LATER_MILLIS
console.log(`p99 of point reads: ${(withLanes.p99 - without.p99).toFixed(1)} ms later; ${LATER_MILLIS} are allowed`)
process.exitCode = isLate || withLanes.wrong.length + withLanes.failed.length > 0 ? 1 : 0

async function tell(name: string, lanes: boolean): Promise<StormReport> {
  const report = await storm({ ...sizes, lanes })
  const { wrong, failed, ...counts } = report
  console.log(name, { ...counts, wrong: wrong.length, failed: failed.length })
  for (const line of [...wrong, ...failed].slice(0, 20)) console.log(`  ${line}`)
  return report
}
