import type { Summary } from './statistics.ts'

/** What a figure is held against. A figure without a target is there to be read. */
export type Target = { readonly atLeast: number } | { readonly atMost: number }

export interface Figure {
  readonly name: string
  readonly unit: string
  readonly summary: Summary
  readonly target?: Target
  /** What it is added to, or measured beside. */
  readonly beside?: string
}

export interface Section {
  readonly title: string
  /** How it was measured, in a sentence or two. */
  readonly note: string
  readonly figures: readonly Figure[]
}

export type Mark = 'pass' | 'miss' | ''

/** Judged by the median alone; the range beside it says how far that can be trusted. */
export function markOf({ summary, target }: Figure): Mark {
  if (target === undefined) return ''
  const holds = 'atLeast' in target ? summary.median >= target.atLeast : summary.median <= target.atMost
  return holds ? 'pass' : 'miss'
}

export function renderSection(section: Section): string {
  const head = ['', 'median', '95 % range of it', 'beside', 'target', '']
  const rows = section.figures.map((figure) => {
    const { summary, unit } = figure
    return [
      figure.name,
      `${show(summary.median)} ${unit}`,
      `${show(summary.low)} … ${show(summary.high)}`,
      figure.beside ?? '',
      showTarget(figure.target),
      markOf(figure),
    ]
  })
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column]?.length ?? 0)))
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0
        return column === 0 || column === 5 ? cell.padEnd(width) : cell.padStart(width)
      })
      .join('  ')
      .trimEnd()
  return `${section.title}\n${section.note}\n\n${[head, ...rows].map((row) => `  ${line(row)}`).join('\n')}\n`
}

/** The same as data: what `--json` prints. */
export function sectionAsData(section: Section): object {
  return { ...section, figures: section.figures.map((figure) => ({ ...figure, mark: markOf(figure) })) }
}

function showTarget(target: Target | undefined): string {
  if (target === undefined) return ''
  return 'atLeast' in target ? `≥ ${target.atLeast}` : `≤ ${target.atMost}`
}

export function show(value: number): string {
  const size = Math.abs(value)
  if (size >= 1000) return Math.round(value).toLocaleString('en-US')
  if (size >= 100) return value.toFixed(0)
  if (size >= 10) return value.toFixed(1)
  return size >= 2 ? value.toFixed(2) : value.toFixed(3)
}
