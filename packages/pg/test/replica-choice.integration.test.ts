import { setTimeout as sleep } from 'node:timers/promises'
import { OptionsInvalid, runInScope, Scope, withPrimary, withReplica } from '@headwater/core'
import { errorOf, inRequest, openSlowWire, World, who } from '@headwater/test-world'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RoutedPool, RoutedPoolOptions } from '../src/index.ts'
import type { ReplicaOptions } from '../src/options/server-options.ts'

let world: World
beforeAll(async () => {
  world = await World.start({ replicas: ['nrt', 'nrt-2', 'nrt-3'] })
})
afterAll(() => world[Symbol.asyncDispose]())

const at = (place: number, options: Omit<ReplicaOptions, 'connectionString'> = {}): ReplicaOptions => ({
  region: 'nrt',
  connectionString: world.replica(place).url,
  ...options,
})
const poolOf = (replicas: ReplicaOptions[], options: RoutedPoolOptions = {}) =>
  world.pool('nrt', { replicas, connectionTimeoutMillis: undefined, catalog: false, ...options })

/** How often each server answers. */
async function tally(pool: RoutedPool, count: number): Promise<Record<string, number>> {
  const all: Record<string, number> = {}
  for (let n = 0; n < count; n += 1) {
    const name = await who(pool)
    all[name] = (all[name] ?? 0) + 1
  }
  return all
}

describe('the choice among several replicas next door', () => {
  it('round-robin: each gets its turn, and with weights its part', async () => {
    expect(await tally(poolOf([at(0), at(1)]), 10)).toEqual({ nrt: 5, 'nrt-2': 5 })
    const weighted = await tally(poolOf([at(0, { weight: 1 }), at(1, { weight: 3 })]), 80)
    expect(weighted['nrt-2']).toBeGreaterThan(54)
    expect(weighted['nrt']).toBeGreaterThan(14)
  })

  it('least-busy: a read goes past the replica that works on another', async () => {
    const pool = poolOf([at(0), at(1)], { choice: 'least-busy' })
    await tally(pool, 4)
    const slow = pool.query<{ who: string }>('select who, pg_sleep(0.5) from server')
    await sleep(50)
    const others = await tally(pool, 10)
    const busy = (await slow).rows[0]?.who ?? ''
    expect(others[busy]).toBeUndefined()
  })

  it('least-busy and latency: a scope stays with the one that it got', async () => {
    for (const choice of ['least-busy', 'latency'] as const) {
      const pool = poolOf([at(0), at(1)], { choice })
      await runInScope(new Scope(), async () => {
        const first = await who(pool)
        const slow = pool.query('select pg_sleep(0.2)')
        for (let n = 0; n < 5; n += 1) expect(await who(pool)).toBe(first)
        await slow
      })
    }
  })

  it('latency: the one that answers soonest; when it is gone, the other', async () => {
    await using wire = await openSlowWire(world.replica(0).port, 20)
    const slow = { region: 'nrt', connectionString: wire.url }
    const pool = poolOf([slow, at(1)], { choice: 'latency' })
    await pool.query('select 1')
    const isMeasured = () => pool.status().servers.every(({ role }) => role !== 'unknown')
    await expect.poll(isMeasured, { timeout: 5000 }).toBe(true)
    expect(await tally(pool, 10)).toEqual({ 'nrt-2': 10 })
    await world.replica(1).stop('immediate')
    expect(await tally(pool, 5)).toEqual({ nrt: 5 })
    await world.replica(1).start()
    await expect.poll(() => who(pool), { timeout: 10_000 }).toBe('nrt-2')
  })
})

describe('R6: a named group of replicas', () => {
  const groups = () => poolOf([at(0), at(1, { group: 'reports' }), at(2, { group: 'search', groupOnly: false })])
  const reports = (pool: RoutedPool) => withReplica(() => who(pool), { group: 'reports' })

  it('R6: is read by its name, and by no other read unless its options say so', async () => {
    const pool = groups()
    expect(Object.keys(await tally(pool, 12)).sort()).toEqual(['nrt', 'nrt-3'])
    expect(await withReplica(() => who(pool))).not.toBe('nrt-2')
    for (let n = 0; n < 4; n += 1) expect(await reports(pool)).toBe('nrt-2')
    expect(await withReplica(() => who(pool), { group: 'search' })).toBe('nrt-3')
  })

  it('R6: holds for what runs inside: nested, in a request, on a lease; and is left again', async () => {
    const pool = groups()
    await inRequest(pool, () =>
      withReplica(
        async () => {
          expect(await withReplica(() => who(pool))).toBe('nrt-2')
          const client = await pool.connect()
          expect(await who(client)).toBe('nrt-2')
          expect(await withReplica(() => who(client), { group: 'search' })).toBe('nrt-3')
          expect(await who(client)).toBe('nrt-2')
          client.release()
          expect(await errorOf(withPrimary(() => who(pool)))).toMatchObject({ code: 'HEADWATER_REPLAY_TO_PRIMARY' })
        },
        { group: 'reports' },
      ),
    )
    expect(await who(pool)).not.toBe('nrt-2')
  })

  it('R6: is read from every region', async () => {
    const pool = world.pool('ams', { replicas: [at(1, { group: 'reports' })], catalog: false })
    expect(await who(pool)).toBe('primary')
    expect(await reports(pool)).toBe('nrt-2')
    expect(await inRequest(pool, () => reports(pool))).toBe('nrt-2')
  })

  it('R6: with all its replicas gone its reads go where those without a replica go, not to the others', async () => {
    const pool = world.pool('ams', { replicas: [at(0), at(1, { group: 'reports' })], catalog: false })
    expect(await reports(pool)).toBe('nrt-2')
    await world.replica(1).stop('immediate')
    await expect.poll(() => reports(pool).catch(() => '')).toBe('primary')
    await world.replica(1).start()
    await expect.poll(() => reports(pool), { timeout: 15_000 }).toBe('nrt-2')
  })

  it('R6: one that the pool does not have is an error at the call, and so is what is no name', async () => {
    const pool = groups()
    const error = await errorOf(withReplica(() => who(pool), { group: 'report' }))
    expect(error).toBeInstanceOf(OptionsInvalid)
    expect(error).toMatchObject({ message: expect.stringContaining('expected "reports", "search"') })
    const none = await errorOf(withReplica(() => who(poolOf([at(0)])), { group: 'reports' }))
    expect(none).toMatchObject({ message: expect.stringContaining('no replica names one') })
    for (const group of ['', 'a b', 7, null]) {
      expect(() => withReplica(() => 1, { group: group as string })).toThrow(OptionsInvalid)
    }
  })
})
