/** What the matrix has a cell for: a runtime that runs the packed packages, or a PostgreSQL that they talk to. */
export const RUNTIMES = ['node-20', 'node-22', 'node-24', 'node-26', 'bun-1', 'deno-2'] as const
export const POSTGRES = ['14', '15', '16', '17', '18', '19'] as const

export type Runtime = (typeof RUNTIMES)[number]
export type PostgresMajor = (typeof POSTGRES)[number]

/** What became of a cell. */
export type Outcome =
  | { readonly kind: 'run'; readonly version: string; readonly counts: Counts; readonly failures: readonly string[] }
  | { readonly kind: 'skipped'; readonly reason: string }

export interface Counts {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
}

export const RUNTIME_NAMES: Readonly<Record<string, string>> = { node: 'Node', bun: 'Bun', deno: 'Deno' }

/** `Node 20`, `PostgreSQL 14`: as a reader knows it. */
export function titleOf(cell: Runtime | PostgresMajor): string {
  const [name = '', major] = cell.split('-')
  return major === undefined ? `PostgreSQL ${name}` : `${RUNTIME_NAMES[name]} ${major}`
}

/** True where nothing failed; a cell that could not be had is no failure. */
export function isGood(outcome: Outcome): boolean {
  return outcome.kind === 'skipped' || (outcome.failures.length === 0 && outcome.counts.passed > 0)
}
