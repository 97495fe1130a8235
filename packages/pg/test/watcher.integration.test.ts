import { toLsn } from '@headwater/core/internal'
import { World } from '@headwater/test-world'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Watch } from '../src/fleet/watch.ts'
import { Watcher } from '../src/fleet/watcher.ts'

let world: World

beforeAll(async () => {
  world = await World.start()
})
afterAll(async () => {
  await world[Symbol.asyncDispose]()
})

/** Watches a number that the test changes in the primary. */
function watch(changes: Partial<Watch<number>> = {}): { watcher: Watcher<number>; pool: pg.Pool; failures: unknown[] } {
  const pool = new pg.Pool({ connectionString: world.cluster.primary.url, application_name: 'watched' })
  const failures: unknown[] = []
  const watcher = new Watcher<number>({
    config: pool.options,
    textFor: () => 'select count(*) from note',
    read: ([count]) => Number(count),
    pause: () => 60_000,
    onFailure: (_failure, error) => failures.push(error),
    ...changes,
  })
  return { watcher, pool, failures }
}

async function backends(): Promise<number> {
  const { rows } = await world.admin.query<{ n: number }>(
    "select count(*)::int as n from pg_stat_activity where application_name = 'watched'",
  )
  return rows[0]?.n ?? -1
}

const wait = (watcher: Watcher<number>, isEnough: () => boolean, maxWaitMillis: number): Promise<boolean> =>
  new Promise((resolve) => watcher.waitUntil(isEnough, toLsn(1n), maxWaitMillis, resolve))

describe('F4: a watcher', () => {
  test('starts with the first look, and many wait on its one connection', async () => {
    const { watcher } = watch()
    expect(await backends()).toBe(0)
    expect(watcher.latest).toBeUndefined()
    await expect.poll(() => watcher.latest).toBe(0)
    const waits = [1, 2, 2, 3].map((count) => wait(watcher, () => (watcher.latest ?? 0) >= count, 5000))
    for (let count = 0; count < 3; count += 1) await world.admin.query("insert into note (body) values ('x')")
    expect(await Promise.all(waits)).toEqual([true, true, true, true])
    expect(await backends()).toBe(1)
    await watcher.end()
    await expect.poll(backends).toBe(0)
  })

  test('tells a caller that waits in vain after maxWaitMillis, and all of them at its end', async () => {
    const { watcher } = watch()
    const start = performance.now()
    expect(await wait(watcher, () => false, 60)).toBe(false)
    expect(performance.now() - start).toBeGreaterThan(50)
    const last = wait(watcher, () => false, 60_000)
    await watcher.end()
    expect(await last).toBe(false)
    expect(await wait(watcher, () => true, 60_000)).toBe(false)
    expect(watcher.latest).toBeUndefined()
  })

  test('forgets its sample when its connection is lost, and gets a new one by itself', async () => {
    const { watcher, failures } = watch({ pause: () => 20 })
    await expect.poll(() => watcher.latest).toBeDefined()
    await world.admin.query("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'watched'")
    await expect.poll(() => failures.length).toBe(1)
    await expect.poll(() => watcher.latest, { timeout: 5000 }).toBeDefined()
    await watcher.end()
  })

  test('rests when it is no longer looked at, reports it, and starts again with the next look', async () => {
    let rests = 0
    const { watcher } = watch({
      pause: () => 20,
      patienceMillis: 150,
      onRest: () => {
        rests += 1
      },
    })
    await expect.poll(() => watcher.latest).toBeDefined()
    expect(rests).toBe(0)
    await expect.poll(() => rests).toBe(1)
    await expect.poll(backends).toBe(0)
    expect(watcher.latest).toBeUndefined()
    await expect.poll(() => watcher.latest).toBeDefined()
    await watcher.end()
    expect(rests).toBe(2)
  })

  test('asks repeatedly where the server cannot wait itself', async () => {
    // Said to be one that can, this server does not understand what it is asked.
    const wait19 = { waitsFrom: 14, text: () => 'WAIT FOR GODOT', read: () => 'there' as const }
    const { watcher, failures } = watch({ wait: wait19 })
    await expect.poll(() => watcher.latest).toBeDefined()
    const before = watcher.latest ?? 0
    const waiting = wait(watcher, () => (watcher.latest ?? 0) > before, 5000)
    await expect.poll(() => failures.length).toBe(1)
    await world.admin.query("insert into note (body) values ('x')")
    expect(await waiting).toBe(true)
    expect(failures).toHaveLength(1)
    await watcher.end()
  })
})
