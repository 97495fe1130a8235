import { parseArgs } from 'node:util'

export const BENCHES = [
  'pool',
  'pooler',
  'lanes',
  'orm',
  'freshness',
  'decision',
  'classify',
  'writes',
  'http',
  'cold-start',
  'contest',
  'growth',
] as const
export type BenchName = (typeof BENCHES)[number]

export interface Options {
  readonly names: readonly BenchName[]
  readonly isJson: boolean
  /** Fewer rounds: says whether it runs, and roughly where the figures lie. */
  readonly isQuick: boolean
  /** The file of an earlier run's `--json`. */
  readonly compareWith: string | undefined
}

export const USAGE = `Usage: pnpm bench [${BENCHES.join(' | ')} …] [--quick] [--json] [--compare <file>]

  pool      RoutedPool against a bare pg.Pool on the same local Postgres
  pooler    reads of both through the same PgBouncer, in session and in transaction mode
  lanes     small reads that share connections, against a bare pg.Pool
  orm       Kysely and Drizzle over RoutedPool, each against its bare self and its peer
  freshness reads under a token and writes that get one, against the same without
  decision  the time of one routing decision
  writes    single writes, and transactions of one, against pg.Pool
  classify  the classifier against libpg-query, pgsql-ast-parser and a regexp
  http      apps with headwater() against the same apps without it
  cold-start  loading what is published, and the way to the first answered read, against pg (build first)
  contest   drivers, builders and Headwater side by side, with the CPU that each takes
  growth    many replicas, many waiters and a large catalog, against few

  --quick   fewer rounds
  --json    print data, not tables
  --compare say which medians left the ranges of an earlier run, as --json printed it
`

/** @throws {TypeError} naming the argument that is not known. */
export function readOptions(argv: readonly string[]): Options {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: { json: { type: 'boolean' }, quick: { type: 'boolean' }, compare: { type: 'string' } },
  })
  const names = positionals.map((name) => {
    const known = BENCHES.find((bench) => bench === name)
    if (known === undefined) throw new TypeError(`there is no bench ${JSON.stringify(name)}`)
    return known
  })
  return Object.freeze({
    names: names.length === 0 ? BENCHES : names,
    isJson: values.json ?? false,
    isQuick: values.quick ?? false,
    compareWith: values.compare,
  })
}
