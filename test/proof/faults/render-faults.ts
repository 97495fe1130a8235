import { FAULTS } from './faults.ts'
import type { FaultFigures } from './figures.ts'

const HEADS = [
  'fault',
  'replication',
  'operations',
  'lost',
  'given up',
  'doubled',
  'done, though refused',
  'half-committed',
  'stale',
  'never settled',
  'no answer',
  'failed reads',
  'failed writes',
  'without reads',
  'without writes',
] as const

/** The figures as a Markdown table, in the order of the faults. */
export function renderFaultTable(all: readonly FaultFigures[]): string {
  const order = Object.keys(FAULTS)
  const sorted = all.toSorted((left, right) => order.indexOf(left.fault) - order.indexOf(right.fault))
  return [row(HEADS), row(HEADS.map(() => '-')), ...sorted.map(lineOf), totalOf(all)].join('\n')
}

function lineOf(figures: FaultFigures): string {
  return row([
    `\`${figures.fault}\``,
    figures.replication,
    ...countsOf(figures),
    seconds(figures.withoutReadsMillis),
    seconds(figures.withoutWritesMillis),
  ])
}

function totalOf(all: readonly FaultFigures[]): string {
  const columns = all.map((figures) => countsIn(figures))
  const sums = countsIn(all[0]).map((_, index) => columns.reduce((sum, counts) => sum + (counts[index] ?? 0), 0))
  return row(['**all**', '', ...sums.map((sum) => `**${number(sum)}**`), '', ''])
}

function countsIn(figures: FaultFigures | undefined): number[] {
  if (figures === undefined) return []
  const { operations, lost, givenUp, doubled, undead, halfCommitted, stale, unsettled } = figures
  const { unanswered, failedReads, failedWrites } = figures
  return [
    operations,
    lost,
    givenUp,
    doubled,
    undead,
    halfCommitted,
    stale,
    unsettled,
    unanswered,
    failedReads,
    failedWrites,
  ]
}

function countsOf(figures: FaultFigures): string[] {
  return countsIn(figures).map(number)
}

/** What each fault is, as a Markdown table. */
export function renderFaultList(): string {
  const lines = Object.entries(FAULTS).map(([name, { what }]) => row([`\`${name}\``, what]))
  return [row(['fault', 'what happens']), row(['-', '-']), ...lines].join('\n')
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`
}

function number(value: number): string {
  return value.toLocaleString('en')
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`
}
