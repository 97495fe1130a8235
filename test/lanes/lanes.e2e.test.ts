import { expect, it } from 'vitest'
import { storm } from './storm.ts'

it('S4: ten seconds of schema changes, ended sessions and slow reads: no wrong row, and no failed read', async () => {
  const { shared, wrong, failed, changes, terminated, slowReads } = await storm({
    seconds: 10,
    callers: 20,
    lanes: true,
  })
  expect({ wrong, failed }).toEqual({ wrong: [], failed: [] })
  expect(changes).toBeGreaterThanOrEqual(5)
  expect(terminated).toBeGreaterThanOrEqual(3)
  expect(slowReads).toBeGreaterThanOrEqual(2)
  // How many, a busy machine decides: there a text that is slow too often leaves.
  expect(shared).toBeGreaterThan(50)
})
