import { expect, it } from 'vitest'
import { ScopeTrail } from '../src/scope/scope-trail.ts'

const READ = { server: 'replica-0', region: 'nrt', decision: { route: 'replica', reason: 'read' }, waited: 1 } as const

it('R7: a trail counts what went to one server for one reason, and sums the waits', () => {
  const trail = new ScopeTrail()
  trail.add(READ)
  trail.add({ ...READ, server: 'primary', region: 'ams', decision: { route: 'direct', reason: 'behind' }, waited: 80 })
  trail.add({ ...READ, waited: 2 })
  expect(trail.entries).toEqual([
    { ...READ, count: 2, waited: 3 },
    { server: 'primary', region: 'ams', decision: { route: 'direct', reason: 'behind' }, count: 1, waited: 80 },
  ])
})

it('R7: a trail is bounded, and goes on counting what it knows', () => {
  const trail = new ScopeTrail()
  for (let n = 0; n < 1_000; n += 1) trail.add({ ...READ, server: `replica-${n}` })
  trail.add(READ)
  expect(trail.entries).toHaveLength(16)
  expect(trail.entries[0]?.count).toBe(2)
})
