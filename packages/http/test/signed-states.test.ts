import { expect, test } from 'vitest'
import { readState, timeIn } from '../src/replay/replay-state.ts'
import { SignedStates } from '../src/replay/signed-states.ts'

const SECRETS = ['a secret for tests only']
const NOW = 1_000_000
const known = { cluster: '7', timeline: 1 }
const write = { method: 'POST', url: '/notes' }

test('P7: a state is signed again for whatever differs, and after a second', () => {
  const states = new SignedStates(SECRETS)
  const first = states.sign(write, 'route-prior', NOW, known)
  expect(states.sign(write, 'route-prior', NOW + 999, known)).toBe(first)
  const others = [
    states.sign({ ...write, method: 'PUT' }, 'route-prior', NOW, known),
    states.sign({ ...write, url: '/notes?a' }, 'route-prior', NOW, known),
    states.sign(write, 'write', NOW, known),
    states.sign(write, 'route-prior', NOW, { ...known, timeline: 2 }),
    states.sign(write, 'route-prior', NOW, { cluster: '8', timeline: 1 }),
    states.sign(write, 'route-prior', NOW + 1000, known),
    states.sign(write, 'route-prior', NOW - 1000, known),
  ]
  expect(new Set([first, ...others]).size).toBe(8)
  expect(readState(SECRETS, { ...write, url: '/notes?a' }, others[1], NOW)).toBe('replayed')
  expect(timeIn(others[5])).toBe(NOW + 1000)
})

test('P7: however many paths a client makes up, each has its own', () => {
  const states = new SignedStates(SECRETS)
  for (let path = 0; path < 2_500; path += 1) {
    const request = { method: 'POST', url: `/${path}${path % 7 === 0 ? 'x'.repeat(600) : ''}` }
    expect(readState(SECRETS, request, states.sign(request, 'route-prior', NOW, known), NOW)).toBe('replayed')
  }
})
