import { styleText } from 'node:util'
import { type Journey, tellJourney } from './journey.ts'
import type { OwnNotes } from './own-notes.ts'
import { HOME, REGIONS, replicasIn, roundTrip } from './regions.ts'
import { STAGE, type TourResult } from './tour.ts'
import { EXTRA_LAG } from './world.ts'

/** Colours words, or leaves them as they are. */
export type Paint = (style: 'bold' | 'dim' | 'blue' | 'magenta' | 'yellow' | 'green' | 'red', text: string) => string

export const plain: Paint = (_style, text) => text
export const coloured: Paint = (style, text) => styleText(style, text, { validateStream: false })

const WIDTH = 96
const BAR = 44

/** What stands at the top, before the first request. */
export function introduce(startedInMs: number, paint: Paint): string {
  const lines = REGIONS.map(({ code, city }) => {
    const distance =
      code === HOME
        ? 'primary'
        : `${replicasIn(code) === 1 ? 'replica' : 'two replicas'}, ${Math.round(roundTrip(code, HOME))} ms from ${HOME} and back`
    return `    ${paint('bold', code)}  ${city.padEnd(11)} ${paint('dim', distance)}`
  })
  return [
    '',
    `  ${paint('bold', 'Headwater')}  ${paint('dim', 'Read next door, write at the source.')}`,
    '',
    ...lines,
    '',
    paint('dim', `  A PostgreSQL primary with three standbys, three apps and a proxy, up in ${seconds(startedInMs)}.`),
    paint('dim', `  Measuring from ${STAGE}; the naive way takes its time …`),
    '',
  ].join('\n')
}

/** The tour as text, at most 100 columns wide. */
export function reportTour(result: TourResult, paint: Paint): string {
  const { read, write, naive, home, view, own, oceanMs, limitMs, checks } = result
  const most = naive.medianMs
  const row = (name: string, style: 'blue' | 'magenta' | 'yellow' | 'dim', ms: number, crossings: number): string =>
    `    ${name.padEnd(25)}${paint(style, bar(ms, most))} ${milliseconds(ms)}  ${paint('dim', `${crossings} ×`)}`
  const step = (number: number, title: string, journey: Parameters<typeof tellJourney>[0]): string[] => [
    `  ${paint('bold', `${number}  ${title}`)}${paint('dim', `  ${Math.round(journey.totalMs)} ms`)}`,
    ...wrap(tellJourney(journey), WIDTH - 5).map((line) => `     ${line}`),
    '',
  ]
  return [
    ...step(1, `A read in ${STAGE}`, read.journey),
    ...step(2, `A write in ${STAGE}: BEGIN, five queries, COMMIT`, write.journey),
    ...step(3, `A GET in ${STAGE} that turns out to write`, view),
    ...step(4, 'The same write the naive way: a plain pool, straight to the primary', naive.journey),
    ...ownChapter(own, paint),
    `  ${paint('bold', 'Side by side')}${paint('dim', `  medians of ${read.times}, ${write.times} and ${naive.times}; × counts ocean crossings`)}`,
    row('read, next door', 'blue', read.medianMs, read.journey.crossings),
    row('write, replayed', 'magenta', write.medianMs, write.journey.crossings),
    row('write, the naive way', 'yellow', naive.medianMs, naive.journey.crossings),
    row('the limit for a write', 'dim', limitMs, 1),
    paint(
      'dim',
      `    The limit: one crossing ${Math.round(oceanMs)} ms + the same write sent from ${HOME} ${milliseconds(home.medianMs).trim()}.`,
    ),
    `    A replayed write takes ${paint('bold', (write.medianMs / limitMs).toFixed(2))} of the limit; the naive way ${paint('bold', (naive.medianMs / limitMs).toFixed(2))}.`,
    '',
    `  ${paint('bold', 'What held')}`,
    ...checks.flatMap(({ what, found, holds }) => [
      `    ${holds ? paint('green', '✓') : paint('red', '✗')} ${what}`,
      `      ${holds ? paint('dim', found) : paint('red', found)}`,
    ]),
    '',
  ].join('\n')
}

/** One visitor writes, and reads at once, four times. */
function ownChapter({ late, other, paused, tokenless }: OwnNotes, paint: Paint): string[] {
  const scenes: [string, Journey][] = [
    [`The replicas are ${EXTRA_LAG} ms late`, late],
    ['One of them is paused', other],
    ['Both are paused', paused],
    ['The same, tokens off', tokenless],
  ]
  return [
    `  ${paint('bold', `5  A visitor in ${STAGE} writes a note, and looks for it at once`)}`,
    ...scenes.flatMap(([title, journey]) => [
      `     ${title}:${paint('dim', `  ${Math.round(journey.totalMs)} ms`)}`,
      ...wrap(tellJourney(journey), WIDTH - 7).map((line) => `       ${line}`),
    ]),
    '',
  ]
}

const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉']

function bar(ms: number, most: number): string {
  const eighths = Math.max(1, Math.round((ms / most) * BAR * 8))
  return ('█'.repeat(Math.floor(eighths / 8)) + EIGHTHS[eighths % 8]).padEnd(BAR)
}

function milliseconds(ms: number): string {
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms).toLocaleString('en')} ms`.padStart(8)
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const line = lines.at(-1)
    if (line === undefined || line.length + 1 + word.length > width) lines.push(word)
    else lines[lines.length - 1] = `${line} ${word}`
  }
  return lines
}
