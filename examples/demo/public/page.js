// Ties the parts of the page to the demo's feed of events.
import { Chart } from './chart.js'
import { describe, Log, milliseconds } from './log.js'
import { Soundings } from './soundings.js'
import { Stations } from './stations.js'

const find = (id) => document.getElementById(id)

const world = await (await fetch('world.json')).json()
const chart = new Chart(find('sheet'), world)
const stations = new Stations(find('stations'), world, act)
const log = new Log({ entries: find('entries'), axis: find('axis'), empty: find('empty') })
const soundings = new Soundings(
  { list: find('soundings'), title: find('soundings-region'), note: find('soundings-note') },
  world,
)

const tokens = find('tokens')
const isTokenless = () => tokens.getAttribute('aria-checked') === 'false'

function tellTokens() {
  tokens.textContent = isTokenless() ? 'off' : 'on'
  find('tokens-note').textContent = isTokenless()
    ? 'Any replica will do (consistency: eventual). A visitor may not find what it has just written.'
    : 'Each region has one visitor, whose browser keeps a cookie: no answer is older than what it has seen.'
}
tellTokens()
tokens.addEventListener('click', () => {
  tokens.setAttribute('aria-checked', String(isTokenless()))
  tellTokens()
})

async function act(request) {
  const action = request.do === 'send' ? { ...request, isTokenless: isTokenless() } : request
  try {
    const response = await fetch('act', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(action),
    })
    if (response.status === 429) notice('Too much under way; wait for an answer first.')
    else if (!response.ok) notice(`The demo refused this (${response.status}).`)
  } catch {
    notice('The demo has ended, or cannot be reached.')
  }
}

let noticeTimer
function notice(text) {
  find('notice').textContent = text
  clearTimeout(noticeTimer)
  noticeTimer = setTimeout(() => {
    find('notice').textContent = ''
  }, 7000)
}

function show(journey) {
  log.finish(journey)
  soundings.take(journey)
}

find('clear').addEventListener('click', () => {
  log.clear()
  find('announcer').textContent = 'The log is empty.'
})

const feed = new EventSource('events')
const on = (name, listener) => feed.addEventListener(name, ({ data }) => listener(JSON.parse(data)))

on('state', (states) => {
  for (const { code, ...look } of stations.update(states)) chart.setStation(code, look)
  soundings.move(states)
})
on('started', (request) => log.start(request))
on('past', show)
on('journey', (journey) => {
  show(journey)
  chart.play(journey)
  find('announcer').textContent = `${describe(journey)}: ${milliseconds(journey.totalMs)}. ${journey.story}`
})
on('notice', ({ text }) => notice(text))
feed.addEventListener('error', () => {
  document.body.dataset.feed = 'lost'
  notice('No word from the demo. Has it ended? This page tries again by itself.')
})
feed.addEventListener('open', () => {
  if (document.body.dataset.feed === 'lost') notice('The demo is back.')
  document.body.dataset.feed = 'open'
})
