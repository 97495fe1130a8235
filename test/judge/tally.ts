import type { Access } from '@headwater/core/internal'
import { COUNTS, type Count } from './judgement.ts'
import type { Verdict } from './runner.ts'

/** Wrong verdicts of one cause, with the shortest texts as examples. */
export interface Offence {
  readonly count: Count
  readonly cause: string
  readonly texts: number
  readonly examples: readonly {
    readonly sql: string
    readonly script: string
    readonly because: string
    readonly token: string | undefined
  }[]
}

const EXAMPLES = 5

const noneOfAny = (): Record<Count, number> => ({
  right: 0,
  caught: 0,
  silent: 0,
  costly: 0,
  kept: 0,
  session: 0,
  failed: 0,
})

/** Adds verdicts up. */
export class Tally {
  readonly corpus: string
  readonly counts: Record<Count, number> = noneOfAny()
  /** Of the wrong ones, those whose syntax tree shows it: no catalog is needed to know better. */
  readonly shown: Record<Count, number> = noneOfAny()
  readonly accesses: Record<Access, number> = { read: 0, unknown: 0, session: 0, write: 0 }
  /** Of those that both nodes refused, how many with which SQLSTATE. */
  readonly failures: Record<string, number> = {}
  readonly #offences: Map<string, { count: Count; cause: string; texts: number; examples: Verdict[] }> = new Map()

  constructor(corpus: string) {
    this.corpus = corpus
  }

  get texts(): number {
    return COUNTS.reduce((sum, count) => sum + this.counts[count], 0)
  }

  /** Texts of which a route can be right or wrong. */
  get judged(): number {
    return this.texts - this.counts.failed
  }

  add(verdict: Verdict): void {
    this.counts[verdict.count]++
    this.accesses[verdict.statement.access]++
    if (verdict.count === 'failed') this.failures[verdict.cause] = (this.failures[verdict.cause] ?? 0) + 1
    if (verdict.count === 'right' || verdict.count === 'failed') return
    const isShown = verdict.label.writes !== undefined || verdict.label.belongsOnPrimary !== undefined
    if (isShown) this.shown[verdict.count]++
    const cause = `${verdict.cause} (we: ${verdict.statement.because}${isShown ? '; the text shows it' : ''})`
    const key = `${verdict.count} ${cause}`
    const offence = this.#offences.get(key) ?? { count: verdict.count, cause, texts: 0, examples: [] }
    offence.texts++
    offence.examples.push(verdict)
    offence.examples.sort((left, right) => left.sql.length - right.sql.length)
    offence.examples.length = Math.min(EXAMPLES, offence.examples.length)
    this.#offences.set(key, offence)
  }

  get offences(): readonly Offence[] {
    return [...this.#offences.values()]
      .map((offence) => ({
        ...offence,
        examples: offence.examples.map(({ sql, script, statement }) => ({
          sql,
          script,
          because: statement.because,
          token: statement.token,
        })),
      }))
      .sort((left, right) => COUNTS.indexOf(left.count) - COUNTS.indexOf(right.count) || right.texts - left.texts)
  }
}

/** The table that the run prints: a corpus in each line, and the sum. */
export function renderTable(tallies: readonly Tally[]): string {
  const head = ['corpus', 'texts', ...COUNTS]
  const sum = (pick: (tally: Tally) => number) => tallies.reduce((total, tally) => total + pick(tally), 0)
  const line = (name: string, texts: number, judged: number, of: (count: Count) => number) => [
    name,
    String(texts),
    ...COUNTS.map((count) => cell(of(count), count === 'failed' ? texts : judged)),
  ]
  const lines = [
    head,
    ...tallies.map((tally) => line(tally.corpus, tally.texts, tally.judged, (count) => tally.counts[count])),
    line(
      'all',
      sum(({ texts }) => texts),
      sum(({ judged }) => judged),
      (count) => sum(({ counts }) => counts[count]),
    ),
  ]
  const widths = head.map((_, column) => Math.max(...lines.map((cells) => (cells[column] ?? '').length)))
  return lines
    .map((cells) =>
      cells
        .map((text, column) => (column === 0 ? text.padEnd(widths[column] ?? 0) : text.padStart(widths[column] ?? 0)))
        .join('  '),
    )
    .join('\n')
}

function cell(count: number, of: number): string {
  return count === 0 || of === 0 ? String(count) : `${count} (${((100 * count) / of).toFixed(2)} %)`
}

/** What went wrong, grouped by cause, worst first. */
export function renderOffences(tally: Tally): string {
  return tally.offences
    .map(({ count, cause, texts, examples }) => {
      const shown = examples.map(
        ({ sql, script, token }) => `      [${script}] ${snippet(sql)}${token === undefined ? '' : `   <- ${token}`}`,
      )
      return [`  ${count} ${texts}: ${cause}`, ...shown].join('\n')
    })
    .join('\n')
}

function snippet(sql: string): string {
  const line = sql.replaceAll(/\s+/g, ' ')
  return line.length > 160 ? `${line.slice(0, 157)}…` : line
}
