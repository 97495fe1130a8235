// The latest read, replayed write and naive write of one region, side by side, with each ocean marked.
import { milliseconds } from './log.js'

const ROWS = [
  ['read', 'Read'],
  ['write', 'Write, replayed'],
  ['naive', 'Write, the naive way'],
]

export class Soundings {
  #list
  #title
  #note
  #world
  #latest = new Map()
  #rows = new Map()
  #region

  constructor({ list, title, note }, world) {
    this.#list = list
    this.#title = title
    this.#note = note
    this.#world = world
    for (const [kind, name] of ROWS) {
      const term = document.createElement('dt')
      term.textContent = name
      const value = document.createElement('dd')
      value.className = kind
      const bar = document.createElement('span')
      bar.className = 'bar'
      bar.append(document.createElement('i'))
      // The least that this can take, where it is known.
      const limit = document.createElement('u')
      limit.hidden = true
      bar.append(limit)
      const number = document.createElement('b')
      const oceans = document.createElement('small')
      value.append(bar, number, oceans)
      this.#list.append(term, value)
      this.#rows.set(kind, { bar, limit, number, oceans })
    }
    this.#show('nrt')
  }

  take(journey) {
    const isHere = journey.region === this.#world.home || journey.edge !== journey.region
    // A read that had to wait, or to go elsewhere, is not the usual one.
    const isUsual = journey.freshness === undefined && !journey.isTokenless
    if (isHere || journey.status !== 200 || !isUsual || !this.#rows.has(journey.kind)) return
    this.#latest.set(`${journey.region} ${journey.kind}`, journey)
    this.#show(journey.region)
  }

  /** After a promotion: what was measured before lay at other distances. */
  move(states) {
    const { home } = states[0]
    if (home === this.#world.home) return
    const regions = this.#world.regions.map((region) => {
      return { ...region, ...states.find(({ code }) => code === region.code) }
    })
    this.#world = { ...this.#world, home, regions, tour: undefined }
    this.#latest.clear()
    this.#show(regions.find(({ code }) => code !== home).code)
  }

  #show(code) {
    this.#region = code
    this.#title.textContent = this.#world.regions.find((region) => region.code === code).city
    const found = ROWS.map(([kind]) => this.#latest.get(`${code} ${kind}`))
    const most = Math.max(this.#world.tour?.limitMs ?? 1, ...found.map((journey) => journey?.totalMs ?? 0))
    for (const [index, [kind]] of ROWS.entries()) {
      const journey = found[index]
      const { bar, limit, number, oceans } = this.#rows.get(kind)
      bar.style.setProperty('--share', journey === undefined ? 0 : journey.totalMs / most)
      bar.style.setProperty('--oceans', Math.max(1, journey?.crossings ?? 1))
      const limitMs = kind === 'write' && code === 'nrt' ? this.#world.tour?.limitMs : undefined
      limit.hidden = limitMs === undefined
      limit.style.left = `${((limitMs ?? 0) / most) * 100}%`
      number.textContent = journey === undefined ? '–' : milliseconds(journey.totalMs)
      oceans.textContent = journey === undefined ? 'not sent yet' : crossings(journey.crossings)
    }
    this.#tell(code)
  }

  #tell(code) {
    const { tour, home, regions } = this.#world
    const { roundTripMs } = regions.find((region) => region.code === code)
    const ocean = `One ocean, ${code} to ${home} and back, is ${Math.round(roundTripMs)} ms.`
    const limit =
      tour === undefined || code !== 'nrt'
        ? ''
        : ` With the work itself, ${Math.round(tour.limitMs)} ms is the least that a write from here can take (the thin mark); the tour measured ${Math.round(tour.writeMs)} ms.`
    this.#note.textContent = ocean + limit
  }
}

function crossings(count) {
  if (count === 0) return 'no ocean'
  return count === 1 ? '1 ocean' : `${count} oceans`
}
