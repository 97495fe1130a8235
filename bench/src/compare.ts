import type { Figure, Section } from './report.ts'
import { show } from './report.ts'

/** What of an earlier run's `--json` is compared. */
export interface EarlierRun {
  readonly machine: { readonly cores: number; readonly node: string }
  readonly sections: readonly Section[]
}

/** A figure whose median left the range that the earlier run gave it. */
export interface Moved {
  readonly section: string
  readonly name: string
  readonly unit: string
  readonly before: Figure['summary']
  readonly now: Figure['summary']
}

export interface Comparison {
  readonly moved: readonly Moved[]
  /** How many figures both runs have. */
  readonly compared: number
}

/** @throws {TypeError} when the text is not what `--json` prints. */
export function readEarlierRun(json: string): EarlierRun {
  const run = JSON.parse(json) as Partial<EarlierRun> | null
  if (!Array.isArray(run?.sections) || run.machine === undefined) {
    throw new TypeError('--compare names a file that is no run; expected what `pnpm bench --json` prints')
  }
  return run as EarlierRun
}

/** Compares by the titles of sections and the names of figures. Pure. */
export function compareRuns(before: readonly Section[], now: readonly Section[]): Comparison {
  const keyOf = (section: Section, { name, unit }: Figure): string => JSON.stringify([section.title, name, unit])
  const earlier = new Map(
    before.flatMap((section) => section.figures.map((figure) => [keyOf(section, figure), figure.summary])),
  )
  const moved: Moved[] = []
  let compared = 0
  for (const section of now) {
    for (const figure of section.figures) {
      const summary = earlier.get(keyOf(section, figure))
      if (summary === undefined) continue
      compared += 1
      const { median } = figure.summary
      if (median >= summary.low && median <= summary.high) continue
      moved.push({ section: section.title, name: figure.name, unit: figure.unit, before: summary, now: figure.summary })
    }
  }
  return { moved, compared }
}

export function renderComparison({ moved, compared }: Comparison): string {
  const lines = moved.map(({ section, name, unit, before, now }) => {
    const range = `${show(before.low)} … ${show(before.high)}`
    return `  ${section}, ${name}: ${show(before.median)} (${range}) -> ${show(now.median)} ${unit}`
  })
  const head = `${moved.length} of ${compared} medians left their earlier range${moved.length === 0 ? '' : ':'}`
  return `${[head, ...lines].join('\n')}\n`
}
