import { parseArgs } from 'node:util'
import { abortedBySignals } from '../end-for-sure.ts'
import { FAULT_NAMES, REPLICATIONS } from './faults.ts'
import { ZEROES } from './figures.ts'
import { proveFaults } from './prove-faults.ts'
import { recordFaults } from './record.ts'
import { renderFaultTable } from './render-faults.ts'

/**
 * `pnpm proof --faults`: the proof under fire.
 *
 * `--operations N` over all faults (default 200000), `--clients N`, `--hold MS` of each fault, `--suspect-after MS`, `--seed N`,
 * `--lanes` to have small reads share connections, `--only fault,fault`, `--replication asynchronous|synchronous`, `--record` to keep the figures and write docs/faults.md. Ends
 * with 1 when what must not happen did.
 */
export async function proveFaultsByArguments(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      faults: { type: 'boolean' },
      operations: { type: 'string', default: '200000' },
      clients: { type: 'string', default: '24' },
      hold: { type: 'string', default: '3500' },
      'suspect-after': { type: 'string', default: '1000' },
      seed: { type: 'string', default: '1' },
      only: { type: 'string', default: FAULT_NAMES.join(',') },
      replication: { type: 'string' },
      record: { type: 'boolean', default: false },
      lanes: { type: 'boolean', default: false },
    },
  })
  const names = values.only.split(',').map((word) => {
    const name = FAULT_NAMES.find((candidate) => candidate === word)
    if (name === undefined) throw new RangeError(`--only has ${word}; expected some of ${FAULT_NAMES.join(', ')}`)
    return name
  })
  const replications = REPLICATIONS.filter((one) => values.replication === undefined || values.replication === one)
  if (replications.length === 0)
    throw new RangeError(`--replication is ${values.replication}; expected ${REPLICATIONS.join(' or ')}`)
  // The table on record is that of the defaults.
  if (values.record && values.lanes) throw new RangeError('--record keeps what runs without --lanes')
  const seed = wholeNumber('seed', values.seed)
  const results = await proveFaults({
    runs: replications.flatMap((replication) => names.map((fault) => ({ fault, replication }))),
    operations: wholeNumber('operations', values.operations),
    clients: wholeNumber('clients', values.clients),
    holdMillis: wholeNumber('hold', values.hold),
    suspectAfterMillis: wholeNumber('suspect-after', values['suspect-after']),
    lanes: values.lanes,
    seed,
    signal: abortedBySignals(),
    // One by one: what is seen stays, also when the run is stopped.
    onResult: async ({ figures, failures, verdict }) => {
      if (values.record) await recordFaults([figures], seed)
      console.error(JSON.stringify(figures))
      for (const [failure, times] of failures) console.error(`  ${times} × ${failure}`)
      for (const example of [...verdict.examples, ...verdict.damaged]) console.error(`  ${JSON.stringify(example)}`)
    },
  })
  const all = results.map(({ figures }) => figures)
  console.log(renderFaultTable(all))
  if (all.some((figures) => ZEROES.some((zero) => figures[zero] !== 0))) process.exitCode = 1
}

function wholeNumber(option: string, value: string): number {
  if (/^\d{1,9}$/.test(value)) return Number(value)
  throw new RangeError(`--${option} is ${value}; expected a whole number`)
}
