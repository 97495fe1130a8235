import { ReplayToPrimary, runInScope } from '@headwater/core'
import { openSlowWire, requestScope, World, who } from '@headwater/test-world'
import { afterAll, beforeAll, expect, it } from 'vitest'

let world: World
beforeAll(async () => {
  world = await World.start()
})
afterAll(() => world[Symbol.asyncDispose]())

it('F4: away from home a read waits for its replica a quarter longer than the crossing would take', async () => {
  await using wire = await openSlowWire(world.cluster.primary.port, 100)
  const connectionString = wire.url
  const near = world.pool('nrt', { catalog: false })
  const far = world.pool('nrt', { primary: { region: 'ams', connectionString }, catalog: false })
  for (const pool of [near, far]) expect(await who(pool)).toBe('nrt')
  // Until the monitor has been answered over the wire.
  await new Promise((resolve) => setTimeout(resolve, 1500))
  await world.replica().pauseReplay()
  const home = world.pool('ams', { catalog: false })
  const scope = requestScope(home, { isWanted: true })
  await runInScope(scope, () => home.query("insert into note (body) values ('x')"))
  const minPosition = await scope.session.capturePosition()
  const waited = async (pool: typeof near): Promise<number> => {
    const startedAt = performance.now()
    const read = runInScope(requestScope(pool, { minPosition }), () => pool.query('select 1'))
    await expect(read).rejects.toBeInstanceOf(ReplayToPrimary)
    return performance.now() - startedAt
  }
  try {
    expect(await waited(near)).toBeGreaterThan(45)
    const took = await waited(far)
    expect(took).toBeGreaterThan(245)
    expect(took).toBeLessThan(1000)
  } finally {
    await world.replica().resumeReplay()
  }
})
