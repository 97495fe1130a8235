import { setTimeout as sleep } from 'node:timers/promises'
import { ReplayToPrimary } from '@headwater/core'
import { inRequest, World, who } from '@headwater/test-world'
import { expect, test } from 'vitest'

/** Long enough for a watch that hangs to be given up, and made anew. */
const AFTERWARDS_MILLIS = 3_500

test('X3, fly E7: after a suspend that no connection outlives no query fails, and none hangs', async () => {
  await using world = await World.start({ replicas: ['nrt'] })
  const wires = [await world.cluster.wire(world.cluster.primary), await world.cluster.wire(world.replica(0))] as const
  const [primary, replica] = wires
  // A machine is suspended after minutes without a request: by then idle connections have ended (10 s by default).
  const idleTimeoutMillis = 100
  const pool = world.pool('nrt', {
    primary: { region: 'ams', connectionString: primary.url, idleTimeoutMillis },
    replicas: [{ region: 'nrt', connectionString: replica.url, idleTimeoutMillis }],
  })
  const write = () => pool.query("insert into note (body) values ('now')")
  await Promise.all([who(pool), who(pool), write(), write()])
  await expect.poll(() => pool.totalCount, { timeout: 5000 }).toBe(0)
  // The clock of the machine stood still meanwhile; what is left is what watches the servers.
  for (const wire of wires) expect(wire.halfOpen()).toBeGreaterThan(0)

  // Some write is always under way, also when the watch finds that its connection is dead.
  const until = performance.now() + AFTERWARDS_MILLIS
  const slowWrites = async (): Promise<unknown> => {
    while (performance.now() < until) {
      try {
        await pool.query("insert into note (body) select 'slow' from pg_sleep(0.15)")
      } catch (error) {
        return error
      }
    }
    return undefined
  }
  const slowFailure = slowWrites()
  const seen = { here: 0, replayed: 0, other: new Set<unknown>(), slowest: 0 }
  for (; performance.now() < until; await sleep(20)) {
    const startedAt = performance.now()
    const [read, written] = await Promise.allSettled([inRequest(pool, () => who(pool)), write()])
    seen.slowest = Math.max(seen.slowest, performance.now() - startedAt)
    if (read.status === 'fulfilled') seen.here += 1
    else if (read.reason instanceof ReplayToPrimary) seen.replayed += 1
    else seen.other.add(read.reason)
    if (written.status === 'rejected') seen.other.add(written.reason)
  }
  expect([...seen.other]).toEqual([])
  expect(await slowFailure).toBeUndefined()
  expect(seen.slowest).toBeLessThan(1_000)
  expect(seen.here).toBeGreaterThan(0)
  await expect.poll(() => inRequest(pool, () => who(pool)).catch(String), { timeout: 5000 }).toBe('nrt')
  for (const wire of wires) await wire.heal()
})
