// The sea chart: land, depths, cables, stations, and what travels between them.
import { land } from './land.js'
import { legsOf } from './space-time.js'

const SVG = 'http://www.w3.org/2000/svg'
const WIDTH = 1200
const HEIGHT = 437
const WEST = -132
const UNITS_PER_DEGREE = 4
const RADIUS = (UNITS_PER_DEGREE * 180) / Math.PI
const TOP = mercator(66)
const SLOWER = 4

// Where the cables run, as longitude and latitude: Europe reaches Tokyo by Gibraltar, Suez, Aden, Ceylon and Singapore.
const CABLES = {
  'ams nrt': [
    [
      [2.2, 51.3],
      [-1, 50.2],
      [-6, 48.4],
      [-10.3, 44],
      [-10.2, 37.5],
      [-5.6, 35.95],
      [4, 38],
      [11, 37.4],
      [18, 35],
      [29, 32.4],
      [32.5, 30],
      [37.5, 21.5],
      [43.2, 12.8],
      [52, 12.6],
      [66, 9],
      [80, 4.8],
      [94, 6.2],
      [100, 3.6],
      [103.9, 1.2],
      [108, 5],
      [113.5, 13],
      [119.5, 20.2],
      [127, 26],
      [135, 32],
      [139.6, 34.6],
    ],
  ],
  'ams ord': [
    [
      [2.2, 51.3],
      [-1, 50.2],
      [-7, 49.2],
      [-20, 49.4],
      [-40, 46.5],
      [-58, 42.6],
      [-72, 40.4],
    ],
  ],
  'nrt ord': [
    [
      [145, 37.5],
      [157, 42],
      [170, 46],
    ],
    [
      [-134, 43],
      [-128, 40],
      [-122, 37.6],
      [-105, 42],
    ],
  ],
}

const WATERS = [
  ['Pacific Ocean', -112, 3],
  ['Atlantic Ocean', -43, 27],
  ['Indian Ocean', 77, -11],
  ['Philippine Sea', 143, 15],
]

function mercator(latitude) {
  return RADIUS * Math.log(Math.tan(Math.PI / 4 + (latitude * Math.PI) / 360))
}

function project([longitude, latitude]) {
  return [(longitude - WEST) * UNITS_PER_DEGREE, TOP - mercator(latitude)]
}

function draw(parent, name, attributes = {}) {
  const element = document.createElementNS(SVG, name)
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value)
  parent.append(element)
  return element
}

/** A smooth line through points (Catmull-Rom as Béziers). */
function smooth(points) {
  const at = (index) => points[Math.max(0, Math.min(points.length - 1, index))]
  let path = `M${points[0].map((n) => n.toFixed(1))}`
  for (let index = 0; index < points.length - 1; index += 1) {
    const [a, b, c, d] = [at(index - 1), at(index), at(index + 1), at(index + 2)]
    const first = [b[0] + (c[0] - a[0]) / 6, b[1] + (c[1] - a[1]) / 6]
    const second = [c[0] - (d[0] - b[0]) / 6, c[1] - (d[1] - b[1]) / 6]
    path += `C${[...first, ...second, ...c].map((n) => n.toFixed(1))}`
  }
  return path
}

export class Chart {
  #packets
  #cables = new Map()
  #stations = new Map()
  #flights = new Set()
  #isRunning = false
  #stillness = matchMedia('(prefers-reduced-motion: reduce)')

  constructor(sheet, { regions, home }) {
    const svg = draw(sheet, 'svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, 'aria-hidden': 'true', focusable: 'false' })
    this.#drawSea(svg)
    const cables = draw(svg, 'g', { class: 'cables' })
    for (const [pair, lines] of Object.entries(CABLES)) this.#drawCable(cables, pair, lines, regions)
    this.#packets = draw(svg, 'g', { class: 'packets' })
    this.#drawFrame(svg)
    for (const region of regions) this.#drawStation(sheet, region, region.code === home)
  }

  /** What a station shows beside its name, and how it looks. */
  setStation(code, { text, condition, isHome }) {
    const station = this.#stations.get(code)
    station.element.classList.toggle('home', isHome)
    station.element.dataset.condition = condition
    if (station.text.textContent !== text) station.text.textContent = text
  }

  /** Lets a request travel its way again, four times slower. */
  play(journey) {
    const legs = legsOf(journey)
    if (this.#stillness.matches) return this.#glow(journey, legs)
    const flight = { journey, legs, startedAt: undefined, dot: undefined }
    flight.dot = draw(this.#packets, 'g', { class: `packet ${journey.kind}` })
    draw(flight.dot, 'circle', { class: 'halo', r: 9 })
    draw(flight.dot, 'circle', { class: 'core', r: 4.2 })
    flight.trail = draw(this.#packets, 'path', { class: `trail ${journey.kind}` })
    this.#packets.append(flight.dot)
    this.#flights.add(flight)
    if (this.#isRunning) return
    this.#isRunning = true
    requestAnimationFrame((now) => this.#step(now))
  }

  /** Without motion: the cables that were used stand out for a while. */
  #glow(journey, legs) {
    for (const { from, to } of legs) {
      const cable = this.#cables.get([from, to].toSorted().join(' '))
      if (cable === undefined) continue
      cable.line.classList.add('lit', journey.kind)
      setTimeout(() => cable.line.classList.remove('lit', journey.kind), 2000)
    }
    this.#touch(journey.queries.at(-1)?.node ?? journey.edge, journey.kind)
  }

  #step(now) {
    for (const flight of this.#flights) {
      flight.startedAt ??= now
      const time = (now - flight.startedAt) / SLOWER
      this.#place(flight, time)
      if (time < flight.journey.totalMs + 60) continue
      flight.dot.remove()
      flight.trail.remove()
      this.#flights.delete(flight)
    }
    this.#isRunning = this.#flights.size > 0
    if (this.#isRunning) requestAnimationFrame((next) => this.#step(next))
  }

  #place(flight, time) {
    const { legs, journey, dot, trail } = flight
    const leg = legs.find(({ endMs }) => time < endMs) ?? legs.at(-1)
    const share = Math.max(0, Math.min(1, (time - leg.startMs) / Math.max(0.001, leg.endMs - leg.startMs)))
    const cable = leg.from === leg.to ? undefined : this.#cables.get([leg.from, leg.to].toSorted().join(' '))
    if (cable === undefined) {
      const { point } = this.#stations.get(leg.from)
      dot.setAttribute('transform', `translate(${point.join(' ')})`)
      trail.setAttribute('d', '')
    } else {
      const isForward = cable.from === leg.from
      const at = (s) => cable.line.getPointAtLength(cable.length * (isForward ? s : 1 - s))
      const { x, y } = at(share)
      dot.setAttribute('transform', `translate(${x.toFixed(1)} ${y.toFixed(1)})`)
      const points = []
      for (let step = 0; step <= 10; step += 1) {
        const s = share - 0.16 * (1 - step / 10)
        if (s >= 0) points.push(at(s))
      }
      // A cable that leaves the sheet comes back on the other side: no line across it.
      const isWhole = points.every((point, index) => index === 0 || Math.abs(point.x - points[index - 1].x) < 200)
      trail.setAttribute(
        'd',
        isWhole && points.length > 1 ? `M${points.map((p) => `${p.x.toFixed(1)} ${p.y.toFixed(1)}`).join('L')}` : '',
      )
    }
    for (const [index, query] of journey.queries.entries()) {
      if (flight.touched === undefined) flight.touched = new Set()
      if (query.node === undefined || time < (query.startMs + query.endMs) / 2 || flight.touched.has(index)) continue
      flight.touched.add(index)
      this.#touch(query.node, journey.kind)
    }
  }

  /** A database answers: one ring goes out from it. */
  #touch(code, kind) {
    const station = this.#stations.get(code)
    if (station === undefined) return
    const ring = document.createElement('i')
    ring.className = `ring ${kind}`
    if (this.#stillness.matches) setTimeout(() => ring.remove(), 1500)
    else ring.addEventListener('animationend', () => ring.remove())
    station.mark.append(ring)
  }

  #drawSea(svg) {
    draw(svg, 'rect', { class: 'deep', width: WIDTH, height: HEIGHT })
    const depths = draw(svg, 'g', { transform: 'scale(.5)' })
    for (const name of ['depth-3', 'depth-2', 'depth-1']) draw(depths, 'path', { class: name, d: land })
    const grid = draw(svg, 'g', { class: 'grid' })
    for (let longitude = -120; longitude <= 150; longitude += 30) {
      const [x] = project([longitude, 0])
      draw(grid, 'path', { d: `M${x} 0V${HEIGHT}` })
    }
    for (let latitude = 0; latitude <= 60; latitude += 20) {
      const [, y] = project([0, latitude])
      draw(grid, 'path', { d: `M0 ${y.toFixed(1)}H${WIDTH}` })
    }
    const names = draw(svg, 'g', { class: 'waters' })
    for (const [name, ...place] of WATERS) {
      const [x, y] = project(place)
      draw(names, 'text', { x, y: y.toFixed(1) }).textContent = name
    }
    const coast = draw(svg, 'g', { transform: 'scale(.5)' })
    draw(coast, 'path', { class: 'land', d: land })
  }

  /** The border of a chart: ten degrees black, ten degrees white. */
  #drawFrame(svg) {
    const frame = draw(svg, 'g', { class: 'frame' })
    const band = 5
    for (let longitude = -132, isDark = true; longitude < 168; longitude += 10, isDark = !isDark) {
      if (!isDark) continue
      const [x] = project([longitude, 0])
      for (const y of [0, HEIGHT - band]) draw(frame, 'rect', { x, y, width: 10 * UNITS_PER_DEGREE, height: band })
    }
    for (let latitude = 66, isDark = false; latitude > -20; latitude -= 10, isDark = !isDark) {
      if (!isDark) continue
      const [, y] = project([0, latitude])
      const [, below] = project([0, Math.max(-20, latitude - 10)])
      for (const x of [0, WIDTH - band]) draw(frame, 'rect', { x, y, width: band, height: Math.min(HEIGHT, below) - y })
    }
    draw(frame, 'path', { class: 'rule', d: `M${band} ${band}H${WIDTH - band}V${HEIGHT - band}H${band}Z` })
    draw(frame, 'path', { class: 'rule', d: `M.5 .5H${WIDTH - 0.5}V${HEIGHT - 0.5}H.5Z` })
  }

  #drawCable(parent, pair, lines, regions) {
    const [from, to] = pair.split(' ')
    const end = (code) => {
      const { longitude, latitude } = regions.find((region) => region.code === code)
      return [longitude, latitude]
    }
    const whole = lines.map((line, index) => [
      ...(index === 0 ? [end(from)] : []),
      ...line,
      ...(index === lines.length - 1 ? [end(to)] : []),
    ])
    const line = draw(parent, 'path', { class: 'cable', d: whole.map((part) => smooth(part.map(project))).join('') })
    this.#cables.set(pair, { from, line, length: line.getTotalLength() })
  }

  /** Names are HTML over the drawing, so that they stay legible however small it gets. */
  #drawStation(sheet, { code, city, longitude, latitude }, isHome) {
    const point = project([longitude, latitude])
    const element = document.createElement('div')
    element.className = `station ${code}`
    element.classList.toggle('home', isHome)
    element.style.left = `${(point[0] / WIDTH) * 100}%`
    element.style.top = `${(point[1] / HEIGHT) * 100}%`
    const mark = document.createElement('span')
    mark.className = 'mark'
    const label = document.createElement('span')
    label.className = 'label'
    const name = document.createElement('b')
    name.textContent = city
    const text = document.createElement('small')
    label.append(name, text)
    element.append(mark, label)
    sheet.append(element)
    this.#stations.set(code, { element, mark, text, point })
  }
}
