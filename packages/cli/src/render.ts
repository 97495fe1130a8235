import type { Access } from '@headwater/core/internal'
import { type Explanation, PLACES, ROUTINGS } from './explain.ts'

/** Puts a style around a text, or does not. */
export type Paint = (style: Style, text: string) => string

type Style = 'bold' | 'dim' | 'green' | 'yellow' | 'red' | 'cyan'

const CODES: Readonly<Record<Style, readonly [number, number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
}

export const plain: Paint = (_style, text) => text

export const coloured: Paint = (style, text) => {
  const [on, off] = CODES[style]
  return `\u001b[${on}m${text}\u001b[${off}m`
}

const ACCESS_STYLES: Readonly<Record<Access, Style>> = {
  read: 'green',
  unknown: 'yellow',
  session: 'cyan',
  write: 'red',
}

/** How much of a long line is shown on each side of the token, in characters. */
const WINDOW = 60

/** The explanation for people, ending in a line feed. */
export function render(sql: string, explanation: Explanation, paint: Paint): string {
  const { access, reason, sentence, functions, statements, note, pooler } = explanation
  const lines = [`${paint(ACCESS_STYLES[access], paint('bold', access))} ${paint('dim', `(${reason})`)}  ${sentence}`]
  lines.push(...pointAt(sql, explanation, paint))
  if (functions.length > 0) lines.push('', `cannot be seen into: ${functions.map(printable).join(', ')}`)
  if (statements > 1) lines.push('', `${statements} statements; the strongest decides for all of them.`)
  lines.push('', ...table(explanation, paint))
  if (note !== null) lines.push('', note)
  if (pooler !== null) lines.push('', `behind the pooler: ${pooler}`)
  return `${lines.join('\n')}\n`
}

/** The line of the token with carets under it. */
function pointAt(sql: string, { token, position }: Explanation, paint: Paint): readonly string[] {
  if (token === null || position === null) return []
  const start = position.offset - (position.column - 1)
  const lineEnd = sql.indexOf('\n', position.offset)
  const line = sql.slice(start, lineEnd === -1 ? sql.length : lineEnd).trimEnd()
  const from = Math.max(0, position.column - 1 - WINDOW)
  const length = Math.min(token.length, line.length - (position.column - 1))
  const to = Math.min(line.length, position.column - 1 + length + WINDOW)
  const before = printable(`${from > 0 ? '…' : ''}${line.slice(from, position.column - 1)}`)
  const shown = printable(line.slice(position.column - 1, position.column - 1 + length))
  const after = printable(`${line.slice(position.column - 1 + length, to)}${to < line.length ? '…' : ''}`)
  const label = `${position.line} | `
  return [
    '',
    `${paint('dim', label)}${before}${paint('bold', shown)}${after}`,
    `${' '.repeat(label.length)}${' '.repeat(widthOf(before))}${paint('red', '^'.repeat(Math.max(1, widthOf(shown))))}`,
  ]
}

/** Replaces control characters by a dot, and a tab by a space: an untrusted statement may hold escape sequences. */
function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what is looked for
  return text.replaceAll('\t', ' ').replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, '·')
}

const widthOf = (text: string): number => [...text].length

function table({ routes }: Explanation, paint: Paint): readonly string[] {
  const first = Math.max(...PLACES.map((place) => titleOf(place).length)) + 2
  const cell =
    Math.max(...routes.map((outcome) => outcome.route.length), ...ROUTINGS.map((routing) => routing.length)) + 2
  const lines = [
    paint('dim', `${''.padEnd(first)}${ROUTINGS.map((routing) => routing.padEnd(cell)).join('')}`.trimEnd()),
  ]
  const meanings = new Map<string, string>()
  for (const place of PLACES) {
    const cells = ROUTINGS.map((routing) => {
      const outcome = routes.find((candidate) => candidate.place === place && candidate.routing === routing)
      if (outcome === undefined) return ''.padEnd(cell)
      meanings.set(`${outcome.route} ${outcome.reason}`, `${outcome.route} (${outcome.reason}): ${outcome.sentence}`)
      return outcome.route.padEnd(cell)
    })
    lines.push(`${titleOf(place).padEnd(first)}${cells.join('')}`.trimEnd())
  }
  return [...lines, '', ...[...meanings.values()].map((meaning) => paint('dim', `${meaning}.`))]
}

function titleOf(place: string): string {
  return place === 'home' ? 'at home' : place.replace('away ', 'away, ')
}

/** Whether to colour: FORCE_COLOR, else NO_COLOR, else whether it is a terminal that can. */
export function isColourWanted(
  environment: Readonly<Record<string, string | undefined>>,
  isTerminal: boolean,
): boolean {
  const forced = environment['FORCE_COLOR']
  if (forced !== undefined) return forced !== '0' && forced !== 'false'
  const refused = environment['NO_COLOR']
  if (refused !== undefined && refused !== '') return false
  return isTerminal && environment['TERM'] !== 'dumb'
}
