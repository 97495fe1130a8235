// One column a region: how its database is, what can be sent from it, what can be broken in it.

const REQUESTS = [
  ['read', 'Read'],
  ['write', 'Write'],
  ['naive', 'Naive write'],
  ['view', 'Read that writes'],
  ['write-then-read', 'Write, then read at once'],
]
const SAMPLES = 100
const EVERY = 200

export class Stations {
  #columns = new Map()
  #act

  constructor(parent, { regions, home }, act) {
    this.#act = act
    for (const region of regions) this.#columns.set(region.code, this.#build(parent, region, home))
    // The feed tells changes only; the trace runs on by itself.
    setInterval(() => {
      for (const column of this.#columns.values()) trace(column)
    }, EVERY)
  }

  /** Gives back what the chart shows of each station. */
  update(states) {
    return states.map((state) => this.#updateOne(state))
  }

  #build(parent, { code, city, replicas, canBePromoted }, home) {
    const isHome = code === home
    const column = make('article', 'column')
    column.dataset.region = code
    column.setAttribute('aria-label', `${city}, ${code}`)
    const head = make('header', '')
    head.append(make('h2', '', city), make('code', '', code))
    const role = make('p', 'role')
    const state = make('p', 'state')
    const lamp = make('i', 'lamp')
    const words = make('span', '')
    const bytes = make('span', 'bytes')
    state.append(lamp, words, bytes)
    const trace = document.createElementNS('http://www.w3.org/2000/svg', 'svg')
    trace.setAttribute('class', 'trace')
    trace.setAttribute('viewBox', `0 0 ${SAMPLES - 1} 24`)
    trace.setAttribute('preserveAspectRatio', 'none')
    trace.setAttribute('aria-hidden', 'true')
    const line = document.createElementNS('http://www.w3.org/2000/svg', 'path')
    trace.append(line)
    const requests = make('div', 'requests')
    requests.setAttribute('role', 'group')
    requests.setAttribute('aria-label', `Send from ${city}`)
    for (const [kind, name] of REQUESTS) {
      requests.append(this.#button(`request ${kind}`, name, () => ({ do: 'send', kind, region: code })))
    }
    const faults = make('div', 'faults')
    faults.setAttribute('role', 'group')
    faults.setAttribute('aria-label', `Break ${city}`)
    const toggles = {}
    const toggle = (name, text, off, on) => {
      const button = this.#button('fault', text, () => ({
        do: button.getAttribute('aria-pressed') === 'true' ? on : off,
        region: code,
      }))
      button.setAttribute('aria-pressed', 'false')
      faults.append(button)
      toggles[name] = button
    }
    toggle('isPaused', 'Pause replay', 'pause', 'resume')
    if (replicas > 1) toggle('isOnePaused', 'Pause one of two', 'pause-one', 'resume')
    toggle('isLate', 'Lag 30 ms more', 'lag', 'keep-up')
    toggle('isDatabaseDown', killWords(isHome, replicas), 'stop-database', 'start-database')
    toggle('isRegionDown', 'Region down', 'region-down', 'region-up')
    // Promotes its replica, or brings back the primary that it had.
    let promote
    if (canBePromoted) {
      promote = this.#button('fault promote', `Promote ${city}`, () => ({ do: promote.dataset.does, region: code }))
      promote.dataset.does = 'promote'
      faults.append(promote)
    }
    column.append(head, role, state, trace, requests, faults)
    parent.append(column)
    return { city, isHome, role, promote, column, words, bytes, line, toggles, history: [], behind: 0 }
  }

  #button(className, text, action) {
    const button = make('button', className, text)
    button.type = 'button'
    button.addEventListener('click', () => {
      if (button.getAttribute('aria-disabled') !== 'true') this.#act(action())
    })
    return button
  }

  #updateOne(now) {
    const { code, isHome, home, isLeftBehind, replicas, isRegionDown, isDatabaseUp, paused, isLate, lag } = now
    const station = this.#columns.get(code)
    const { city, role, promote, column, words, bytes, toggles } = station
    station.isHome = isHome
    const isRetired = isLeftBehind && !isHome && replicas === 0
    say(role, roleWords({ ...now, isRetired }))
    const condition = isRegionDown ? 'down' : !isDatabaseUp ? 'dead' : paused === 'none' ? 'well' : 'paused'
    const text = wordsOf(condition, isHome, isRetired, lag, paused === 'one')
    column.dataset.condition = condition
    if (words.textContent !== text.long) words.textContent = text.long
    bytes.textContent =
      isHome || condition === 'down' || condition === 'dead' || lag.bytes === undefined
        ? ''
        : `${lag.bytes.toLocaleString('en')} bytes`
    const isReplica = isDatabaseUp && !isHome
    press(toggles.isPaused, paused === 'all', isReplica)
    press(toggles.isOnePaused, paused === 'one', isReplica && replicas > 1)
    press(toggles.isLate, isLate, isReplica)
    press(toggles.isDatabaseDown, !isDatabaseUp, !isRegionDown && !isRetired)
    say(toggles.isDatabaseDown, killWords(isHome, replicas))
    if (promote !== undefined) {
      promote.dataset.does = isLeftBehind ? 'rejoin' : 'promote'
      say(promote, isLeftBehind ? `Rejoin ${city}` : `Promote ${city}`)
      promote.setAttribute('aria-disabled', String(isRegionDown || (isLeftBehind ? home === code : !isReplica)))
    }
    press(toggles.isRegionDown, isRegionDown, true)
    station.behind = isHome || condition === 'down' || condition === 'dead' ? undefined : lag.milliseconds
    return { code, condition, isHome, text: text.short }
  }
}

/** The lag of the last twenty seconds; a gap where nobody could tell. */
function trace({ isHome, line, history, behind }) {
  if (isHome || document.hidden) return
  history.push(behind)
  if (history.length > SAMPLES) history.shift()
  const most = Math.max(200, ...history.map((ms) => ms ?? 0))
  let path = ''
  for (const [index, ms] of history.entries()) {
    if (ms === undefined) continue
    const isStart = index === 0 || history[index - 1] === undefined
    path += `${isStart ? 'M' : 'L'}${SAMPLES - history.length + index} ${(23 - (ms / most) * 22).toFixed(1)}`
  }
  line.setAttribute('d', path)
}

function killWords(isHome, replicas) {
  return isHome ? 'Kill primary' : replicas > 1 ? 'Kill replicas' : 'Kill replica'
}

/** A text that is set anew is read out anew. */
function say(element, text) {
  if (element.textContent !== text) element.textContent = text
}

function roleWords({ isHome, isRetired, home, roundTripMs, replicas }) {
  if (isHome) return 'Primary. Every write ends here.'
  if (isRetired) return `Was the primary, and gave way to ${home}.`
  return `${replicas > 1 ? 'Two replicas' : 'Replica'}, ${Math.round(roundTripMs)} ms from ${home} and back.`
}

function wordsOf(condition, isHome, isRetired, { milliseconds }, isOnePaused) {
  if (condition === 'down') return { long: 'Region down.', short: 'down' }
  if (condition === 'dead')
    return {
      long: isRetired
        ? 'Stopped. The app runs on.'
        : isHome
          ? 'Primary killed. Nobody takes writes.'
          : 'Killed. The app runs on.',
      short: 'no database',
    }
  if (isHome) return { long: 'Takes writes.', short: 'primary' }
  const behind = milliseconds === undefined ? 'primary out of sight' : `${lagWords(milliseconds)} behind`
  return condition === 'paused'
    ? {
        long: `${isOnePaused ? 'One paused' : 'Paused'}, ${behind}`,
        short: `${isOnePaused ? 'one ' : ''}paused, ${behind}`,
      }
    : { long: behind, short: `replica, ${behind}` }
}

function lagWords(ms) {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`
}

function press(button, isPressed, isEnabled) {
  if (button === undefined) return
  button.setAttribute('aria-pressed', String(isPressed))
  // Stays in the order of Tab: a button that has the focus must not drop it.
  button.setAttribute('aria-disabled', String(!isEnabled))
}

function make(name, className, text = '') {
  const element = document.createElement(name)
  if (className !== '') element.className = className
  element.textContent = text
  return element
}
