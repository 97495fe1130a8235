import { isThere } from '@headwater/example-local-world/proxy-program'
import { VIAS } from '@headwater/example-local-world/via'
import { describe, expect, test } from 'vitest'
import type { RegionCode } from '../src/regions.ts'
import { World } from '../src/world.ts'

/** Where a write from each region is done: the regions of the apps that it visits, and the status. */
async function ways(world: World): Promise<Record<RegionCode, string>> {
  const way = async (region: RegionCode): Promise<string> => {
    const { apps, status } = await world.send('write', region)
    return `${apps.map((app) => app.region).join(' → ')}: ${status}`
  }
  return { ord: await way('ord'), ams: await way('ams'), nrt: await way('nrt') }
}

const AT_AMS = { ord: 'ord → ams: 200', ams: 'ams: 200', nrt: 'nrt → ams: 200' }
const AT_NRT = { ord: 'ord → nrt: 200', ams: 'ams → nrt: 200', nrt: 'nrt: 200' }

// What goes by Fly's proxy is tested on the page.
describe.each(VIAS.filter((via) => via !== 'fly'))('via %s', (via) => {
  const isMissing = via !== 'forward' && !isThere(via)
  if (isMissing) console.warn(`--via ${via} is not tested: it is not installed`)

  test.skipIf(isMissing)('X8: writes follow the primary to Tokyo and back, and the old one rejoins', async () => {
    await using world = await World.start(AbortSignal.timeout(60_000), via)
    expect(await ways(world)).toEqual(AT_AMS)
    await world.promote('nrt')
    expect(await ways(world)).toEqual(AT_NRT)
    await expect(world.promote('ams')).rejects.toThrow('let the old primary rejoin first')
    await world.databases.rejoin('ams')
    // It is a replica now: reads next door are answered by it, and have what was written there.
    await expect
      .poll(async () => (await world.send('read', 'ams')).queries.map(({ node }) => node), { timeout: 10_000 })
      .toEqual(['ams'])
    await world.promote('ams')
    expect(await ways(world)).toEqual(AT_AMS)
    await world.databases.rejoin('nrt')
    for (const code of ['ord', 'ams', 'nrt'] as const) {
      const count = async () =>
        (await world.databases.first(code).query('select count(*)::int as count from notes'))[0]?.['count']
      // One is there from the start.
      await expect.poll(count, { timeout: 10_000 }).toBe(10)
    }
  })
})
