// The list of requests, newest first, all on one scale of time.
import { drawJourney, LANES } from './space-time.js'

const KEPT = 30
const STEPS = [250, 500, 1000, 2000, 4000, 8000, 16_000, 32_000]
const NAMES = { read: 'Read', write: 'Write', naive: 'Naive write', view: 'Read that writes' }

export function describe({ kind, region, isTokenless }) {
  return `${NAMES[kind]} from ${region}${kind === 'read' && isTokenless ? ', tokens off' : ''}`
}

export function milliseconds(ms) {
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms).toLocaleString('en')} ms`
}

export class Log {
  #entries
  #axis
  #empty
  #rows = new Map()
  #spanMs = 0

  constructor({ entries, axis, empty }) {
    this.#entries = entries
    this.#axis = axis
    this.#empty = empty
  }

  /** A request is under way: its line stands there before its answer does, so that nothing jumps. */
  start({ id, kind, region, isTokenless }) {
    if (this.#rows.has(id)) return
    const item = document.createElement('li')
    item.className = `entry ${kind}`
    item.dataset.state = 'under-way'
    item.append(
      make('p', 'what', describe({ kind, region, isTokenless })),
      lanes(),
      make('div', 'way'),
      make('p', 'time', '…'),
      make('p', 'story', 'Under way'),
    )
    this.#entries.prepend(item)
    this.#rows.set(id, { item, journey: undefined })
    for (const [old, row] of this.#rows) {
      if (this.#rows.size <= KEPT) break
      row.item.remove()
      this.#rows.delete(old)
    }
    this.#empty.hidden = true
  }

  finish(journey) {
    this.start(journey)
    const row = this.#rows.get(journey.id)
    if (row === undefined) return
    row.journey = journey
    const { item } = row
    const isRefused = journey.status === undefined || journey.status >= 400
    item.dataset.state = isRefused ? 'refused' : 'answered'
    if (journey.ownNote === 'missing') item.dataset.state = 'stale'
    item.querySelector('.time').textContent = milliseconds(journey.totalMs)
    item.querySelector('.story').textContent = journey.story
    this.#rescale()
    this.#draw(row)
  }

  clear() {
    for (const [id, { item, journey }] of this.#rows) {
      if (journey === undefined) continue
      item.remove()
      this.#rows.delete(id)
    }
    this.#empty.hidden = this.#rows.size > 0
    this.#rescale()
  }

  #rescale() {
    const longest = Math.max(0, ...[...this.#rows.values()].map(({ journey }) => journey?.totalMs ?? 0))
    const spanMs = STEPS.find((step) => step >= longest) ?? longest
    if (spanMs === this.#spanMs) return
    this.#spanMs = spanMs
    const marks = [0, 0.25, 0.5, 0.75, 1].map((share) =>
      make('span', '', milliseconds(share * spanMs).replace('0.0', '0')),
    )
    this.#axis.replaceChildren(...marks)
    for (const row of this.#rows.values()) this.#draw(row)
  }

  #draw({ item, journey }) {
    if (journey !== undefined) item.querySelector('.way').replaceChildren(drawJourney(journey, this.#spanMs))
  }
}

function lanes() {
  const names = make('div', 'lanes')
  names.setAttribute('aria-hidden', 'true')
  names.append(...LANES.map((code) => make('span', '', code)))
  return names
}

function make(name, className, text = '') {
  const element = document.createElement(name)
  element.className = className
  element.textContent = text
  return element
}
