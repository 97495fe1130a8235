// One request as a line through space and time: regions from west to east are lanes, time runs to the right.

const SVG = 'http://www.w3.org/2000/svg'
export const LANES = ['ord', 'ams', 'nrt']

/**
 * The way of a journey, leg by leg: `{ from, to, startMs, endMs }`. Where both are the same, the request is being worked
 * on there, or waits. There are no gaps.
 */
export function legsOf({ region, edge, apps, queries, totalMs }) {
  const legs = []
  let here = region
  let time = 0
  const stay = (until) => {
    if (until > time) legs.push({ from: here, to: here, startMs: time, endMs: until })
    time = Math.max(time, until)
  }
  const go = (to, endMs) => {
    const end = Math.max(time, endMs)
    legs.push({ from: here, to, startMs: time, endMs: end })
    here = to
    time = end
  }
  const [first] = apps
  if (edge !== region) go(edge, (first?.startMs ?? totalMs) / (first?.region === edge || first === undefined ? 1 : 2))
  for (const [index, app] of apps.entries()) {
    if (app.region !== here) {
      // Half a round trip before it arrived, it left.
      const oneWay = oneWayOf(app, apps[index + 1], totalMs)
      stay(app.startMs - oneWay)
      go(app.region, app.startMs)
    }
    for (const query of queries) {
      const isOurs = query.from === app.region && query.startMs >= app.startMs && query.startMs <= app.endMs
      if (!isOurs || query.node === undefined || query.node === here) continue
      stay(query.startMs)
      go(query.node, (query.startMs + query.endMs) / 2)
      go(app.region, query.endMs)
    }
    stay(app.endMs)
    if (app.region !== edge)
      go(edge, apps[index + 1]?.startMs ?? (edge === region ? totalMs : app.endMs + oneWayOf(app, undefined, totalMs)))
  }
  if (here !== region) go(region, totalMs)
  stay(totalMs)
  return legs
}

/** The way back took as long as the way there; only the way back of the last visit is known exactly. */
function oneWayOf(app, next, totalMs) {
  return Math.max(0, Math.min((next?.startMs ?? totalMs) - app.endMs, app.startMs))
}

/** Draws a journey; `spanMs` is what the whole width stands for. */
export function drawJourney(journey, spanMs) {
  const svg = document.createElementNS(SVG, 'svg')
  svg.setAttribute('class', `space-time ${journey.kind}`)
  svg.setAttribute('aria-hidden', 'true')
  svg.setAttribute('viewBox', '0 0 1000 60')
  svg.setAttribute('preserveAspectRatio', 'none')
  const add = (name, attributes) => {
    const element = document.createElementNS(SVG, name)
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value)
    svg.append(element)
  }
  const y = (code) => 10 + LANES.indexOf(code) * 20
  const x = (ms) => ((ms / spanMs) * 1000).toFixed(2)
  for (const code of LANES) add('path', { class: 'lane', d: `M0 ${y(code)}H1000` })
  const legs = legsOf(journey)
  const way = legs.map(({ to, endMs }) => `L${x(endMs)} ${y(to)}`).join('')
  add('path', { class: 'way', d: `M0 ${y(journey.region)}${way}` })
  // A dot where a database answered.
  for (const { node, startMs, endMs } of journey.queries) {
    if (node !== undefined) add('path', { class: 'answer', d: `M${x((startMs + endMs) / 2)} ${y(node)}h0` })
  }
  return svg
}
