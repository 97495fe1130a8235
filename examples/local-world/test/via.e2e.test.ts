import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { Guest } from '../src/guest.ts'
import { LocalWorld } from '../src/local-world.ts'
import { isThere } from '../src/proxy-program.ts'
import { readVia } from '../src/via.ts'

const folder = fileURLToPath(new URL('../../koa-pg', import.meta.url))

describe.each(['forward', 'nginx'] as const)('a guest book via %s', (via) => {
  const isMissing = via !== 'forward' && !isThere(via)
  if (isMissing) console.warn(`--via ${via} is not tested: it is not installed`)

  test.skipIf(isMissing)('a note from Tokyo is written once, in Amsterdam, and read back in Tokyo', async () => {
    await using world = await LocalWorld.start({ folder, via })
    const guest = new Guest(world)
    const signIn = await guest.ask('nrt', '/api/session', { json: { name: 'Ada' } })
    expect([signIn.status, signIn.headers.get('x-served-by')]).toEqual([201, 'ams'])
    await world.lastWay()

    const startedAt = performance.now()
    const response = await guest.ask('nrt', '/api/notes', { json: { body: `via ${via}` } })
    expect([response.status, response.headers.get('x-served-by')]).toEqual([201, 'ams'])
    // It went over the ocean, and Fly's proxy had no part in that.
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(230)
    expect(await world.lastWay()).toBe('nrt')
    expect(response.headers.get('fly-replay')).toBeNull()
    const note: unknown = await response.json()
    expect(note).toMatchObject({ author: 'Ada', body: `via ${via}`, writtenIn: 'ams' })

    const rows = await world.cluster.primary.query('select written_in from note where body = $1', [`via ${via}`])
    expect(rows).toEqual([{ written_in: 'ams' }])
    const list = async (): Promise<unknown> => {
      const read = await guest.ask('nrt', '/api/notes')
      return [read.headers.get('x-served-by'), await read.json()]
    }
    await expect.poll(list, { timeout: 5000 }).toEqual(['nrt', [note]])
  })
})

test('a way that there is not is refused, with those that there are', () => {
  expect(() => readVia('traefik')).toThrow('expected fly, forward, nginx, haproxy')
})
