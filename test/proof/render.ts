import { DAMAGES, GUARANTEES } from './checker.ts'
import type { ProofOptions, ProofResult } from './harness.ts'

/** The result as a Markdown table. */
export function renderTable(options: ProofOptions, result: ProofResult): string {
  const { history, verdict, promised, seconds, requests, replays, shared, freshness, failures, durations, weather } =
    result
  const { lanes = false } = options
  const { operations } = history
  const counted = (isWanted: (operation: (typeof operations)[number]) => boolean): number =>
    operations.reduce((sum, operation) => sum + (isWanted(operation) ? 1 : 0), 0)
  const reads = counted(({ kind, outcome }) => kind === 'read' && outcome === 'ok')
  const fromReplicas = counted((operation) => operation.kind === 'read' && operation.isFromReplica)
  const fromAfar = counted(
    (one) => one.kind === 'read' && one.isFromReplica && one.node?.startsWith(one.region) === false,
  )
  const written = (wanted: string): number => counted(({ kind, outcome }) => kind === 'write' && outcome === wanted)
  const rows: [string, string][] = [
    ['consistency, reads tracked, clients, seed', settingsOf(options)],
    ['operations', `${number(operations.length)} in ${number(requests)} requests`],
    ['reads from replicas', `${number(fromReplicas)} (${percent(fromReplicas, reads)})`],
    ['of these, from one of another region: replayed', `${number(fromAfar)} (${percent(fromAfar, reads)})`],
    ...(lanes
      ? [['reads on a shared connection', `${number(shared)} (${percent(shared, reads)})`] as [string, string]]
      : []),
    ['reads from the primary', number(reads - fromReplicas)],
    ['writes: ok, rolled back, unknown', [written('ok'), written('failed'), written('unknown')].map(number).join(', ')],
    ['requests replayed', `${number(replays)} (${percent(replays, requests)})`],
    ...[...freshness]
      .sort()
      .map(([name, times]): [string, string] => [`reads that did not just run: ${name}`, number(times)]),
    [
      'reads of a state older than the newest (allowed)',
      `${number(verdict.staleReads)} (${percent(verdict.staleReads, reads)})`,
    ],
    ...GUARANTEES.map((guarantee): [string, string] => [
      `violations: ${guarantee}`,
      number(verdict.violations[guarantee]),
    ]),
    ...GUARANTEES.filter(() => promised !== verdict).map((guarantee): [string, string] => [
      `since the client’s first write: ${guarantee}`,
      number(promised.violations[guarantee]),
    ]),
    [DAMAGES.join(', '), DAMAGES.map((damage) => number(verdict.damage[damage])).join(', ')],
    ['requests failed', number([...failures.values()].reduce((sum, times) => sum + times, 0))],
    ['operations a second', number(operations.length / seconds)],
    ['reading requests, ms: p50, p90, p99, most', percentiles(durations.reads)],
    ['writing requests, ms: p50, p90, p99, most', percentiles(durations.writes)],
    [
      'delays changed, replays paused, jumps, crashes, strangers',
      [weather.delays, weather.pauses, weather.jumps, weather.crashes, weather.strangers].map(number).join(', '),
    ],
  ]
  const width = Math.max(...rows.map(([name]) => name.length))
  const lines = rows.map(([name, value]) => `| ${name.padEnd(width)} | ${value} |`)
  return [`| ${'what'.padEnd(width)} | |`, `|${'-'.repeat(width + 2)}|-|`, ...lines].join('\n')
}

/** What is wrong, an example of each: enough to look for its cause. */
export function renderFaults({ verdict, promised, failures }: ProofResult): string {
  return [
    ...[...failures].slice(0, 20).map(([failure, times]) => `${times} failed: ${failure}`),
    ...promised.examples.map((violation) => JSON.stringify(violation)),
    ...verdict.damaged.map((damaged) => JSON.stringify(damaged)),
  ].join('\n')
}

/** Whether the history breaks anything, that it must not break, with this consistency. */
export function hasFailed({ consistency, lanes = false }: ProofOptions, result: ProofResult): boolean {
  const { verdict, promised, shared } = result
  // A proof of lanes that nobody used would prove nothing.
  if (lanes && shared === 0) return true
  const isDamaged = DAMAGES.some((damage) => verdict.damage[damage] > 0)
  const isSession = consistency === 'session' || consistency === 'strong'
  return isDamaged || (isSession && GUARANTEES.some((guarantee) => promised.violations[guarantee] > 0))
}

function settingsOf({ consistency, trackReads, maxLag, clients, seed }: ProofOptions): string {
  const limit = maxLag === undefined ? '' : ` (${maxLag} ms)`
  return `${consistency}${limit}, ${trackReads}, ${clients}, ${seed}`
}

function number(value: number): string {
  return Math.round(value).toLocaleString('en')
}

function percent(part: number, whole: number): string {
  return `${whole === 0 ? '0' : ((100 * part) / whole).toFixed(1)} %`
}

function percentiles(sorted: readonly number[]): string {
  const at = (fraction: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(fraction * sorted.length))] ?? 0
  return [0.5, 0.9, 0.99, 1].map((fraction) => at(fraction).toFixed(1)).join(', ')
}
