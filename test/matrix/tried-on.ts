import { type Counts, POSTGRES, RUNTIMES, titleOf } from './cells.ts'
import type { Tried, TriedOn } from './record.ts'

const START = '<!-- tried-on: written by pnpm matrix --record and pnpm containers --record -->'
const END = '<!-- /tried-on -->'

/** The README with its lines between the marks written anew. */
export function withTriedOn(readme: string, triedOn: TriedOn): string {
  const start = readme.indexOf(START)
  const end = readme.indexOf(END)
  if (start === -1 || end < start) throw new Error(`README.md has no lines between ${START} and ${END}`)
  return `${readme.slice(0, start + START.length)}\n${linesOf(triedOn)}\n  ${readme.slice(end)}`
}

function linesOf({ system, runtimes, postgres, containers, examples }: TriedOn): string {
  const lines = [
    ...group(
      'The packed packages, installed by npm, on',
      RUNTIMES.flatMap((cell) => named(titleOf(cell), runtimes[cell])),
    ),
    ...group(
      'The integration tests of `@headwater/pg` on',
      POSTGRES.flatMap((cell) => named(titleOf(cell), postgres[cell])),
    ),
    ...group(
      'The provider `testcontainers` on',
      Object.values(containers).flatMap((tried) => named(`PostgreSQL in ${tried.engine}`, tried)),
    ),
  ]
  const built = Object.entries(examples)
  if (built.length > 0) {
    const engines = [...new Set(built.map(([, { engine }]) => engine))].join(', ')
    const days = daysOf(built.map(([, { on }]) => on))
    lines.push(`  - The Dockerfiles of ${list(built.map(([name]) => name))}, built and started by ${engines} (${days})`)
  }
  return [`  ${system}, each with what passed:`, '', ...lines].join('\n')
}

interface Named {
  readonly text: string
  readonly on: string
}

function group(head: string, cells: readonly Named[]): readonly string[] {
  if (cells.length === 0) return []
  return [`  - ${head} ${list(cells.map(({ text }) => text))} (${daysOf(cells.map(({ on }) => on))})`]
}

function named(title: string, tried: Tried | undefined): readonly Named[] {
  if (tried === undefined) return []
  // `PostgreSQL 14` is 14.23: the version says the major already.
  const name = title.replace(/ \d+$/, '').replace(/^PostgreSQL/, `PostgreSQL ${tried.version}`)
  const full = name.startsWith('PostgreSQL') ? name : `${name} ${tried.version}`
  return [{ text: `${full} (${countsOf(tried.counts)})`, on: tried.on }]
}

function countsOf({ passed, failed, skipped }: Counts): string {
  const whole = failed === 0 ? `${passed}` : `${passed} of ${passed + failed}`
  return skipped === 0 ? whole : `${whole}, ${skipped} skipped`
}

function daysOf(days: readonly string[]): string {
  const [first = '', ...others] = [...new Set(days)].sort()
  const last = others.at(-1)
  return last === undefined ? first : `${first} to ${last}`
}

function list(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`
}
