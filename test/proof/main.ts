import { parseArgs } from 'node:util'
import type { Consistency } from '@headwater/core'
import { abortedBySignals, endForSure } from './end-for-sure.ts'
import { proveFaultsByArguments } from './faults/main-faults.ts'
import { type ProofOptions, runProof } from './harness.ts'
import { hasFailed, renderFaults, renderTable } from './render.ts'

/**
 * Runs many clients over many regions against replicas that lag, and checks what they saw.
 *
 * `--operations N`, `--consistency session|bounded|eventual|strong`, `--track-reads always|with-token`, `--clients N`,
 * `--parallel N` requests of each at once (default 1), `--seed N`, `--keys N`, `--max-lag MS` (default with bounded: 500), `--latency none|real`,
 * `--crashes`, `--lanes` to have small reads share connections. Ends with 1 when what was
 * promised did not hold.
 *
 * `--faults` is another proof, with options of its own: see `faults/main-faults.ts`.
 */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      operations: { type: 'string', default: '200000' },
      consistency: { type: 'string', default: 'session' },
      'track-reads': { type: 'string', default: 'always' },
      clients: { type: 'string', default: '64' },
      parallel: { type: 'string', default: '1' },
      seed: { type: 'string', default: '1' },
      keys: { type: 'string', default: '50' },
      'max-lag': { type: 'string' },
      latency: { type: 'string', default: 'none' },
      crashes: { type: 'boolean', default: false },
      lanes: { type: 'boolean', default: false },
    },
  })
  const consistency = oneOf<Consistency>('consistency', values.consistency, [
    'session',
    'bounded',
    'eventual',
    'strong',
  ])
  const maxLag = values['max-lag'] ?? (consistency === 'bounded' ? '500' : undefined)
  const options: ProofOptions = {
    operations: wholeNumber('operations', values.operations),
    consistency,
    trackReads: oneOf('track-reads', values['track-reads'], ['always', 'with-token']),
    maxLag: maxLag === undefined ? undefined : wholeNumber('max-lag', maxLag),
    seed: wholeNumber('seed', values.seed),
    clients: wholeNumber('clients', values.clients),
    parallel: wholeNumber('parallel', values.parallel),
    keys: wholeNumber('keys', values.keys),
    latency: oneOf<'none' | 'real'>('latency', values.latency, ['none', 'real']),
    hasCrashes: values.crashes,
    lanes: values.lanes,
    signal: abortedBySignals(),
    onProgress: (operations) => console.error(`${operations} operations`),
  }
  const result = await runProof(options)
  console.log(renderTable(options, result))
  const faults = renderFaults(result)
  if (faults !== '') console.log(`\n${faults}`)
  if (hasFailed(options, result)) process.exitCode = 1
}

function oneOf<Word extends string>(option: string, value: string, words: readonly Word[]): Word {
  const word = words.find((candidate) => candidate === value)
  if (word === undefined) throw new RangeError(`--${option} is ${value}; expected one of ${words.join(', ')}`)
  return word
}

function wholeNumber(option: string, value: string): number {
  if (/^\d{1,9}$/.test(value)) return Number(value)
  throw new RangeError(`--${option} is ${value}; expected a whole number`)
}

try {
  const args = process.argv.slice(2)
  await (args.includes('--faults') ? proveFaultsByArguments(args) : main())
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode ||= 1
}
endForSure()
