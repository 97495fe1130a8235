import { setTimeout as sleep } from 'node:timers/promises'
import { runInScope, withConsistency } from '@headwater/core'
import type { ReadPosition } from '@headwater/core/internal'
import { requestScope, World } from '@headwater/test-world'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { RoutedPool, RoutedPoolOptions } from '../src/index.ts'

let world: World
beforeAll(async () => {
  world = await World.start()
}, 60_000)
afterAll(() => world[Symbol.asyncDispose]())
beforeEach(() => waitFor(''))

/** Has commits at the primary wait for the standbys of these names; there are none. */
async function waitFor(names: string): Promise<void> {
  await world.cluster.primary.query(`alter system set synchronous_standby_names = '${names}'`)
  await world.cluster.primary.query('select pg_reload_conf()')
  await expect
    .poll(() => world.cluster.primary.query("select current_setting('synchronous_standby_names') as names"))
    .toEqual([{ names }])
}

const COUNT = 'select count(*)::int as n from note'

async function count(pool: { query: RoutedPool['query'] }): Promise<number> {
  return (await pool.query<{ n: number }>(COUNT)).rows[0]?.n ?? -1
}

interface Ahead {
  readonly pool: RoutedPool
  /** What the client has seen: a mark of the replica. */
  readonly seen: ReadPosition
  /** How many notes it has seen. */
  readonly shown: number
  /** The write that nobody has confirmed. */
  readonly pending: Promise<unknown>
}

/** A client that was shown by the replica what the primary does not show yet. */
async function clientAhead(options: RoutedPoolOptions = {}): Promise<Ahead> {
  await waitFor('nobody')
  const pool = await world.informedPool('ams', options)
  const before = (await world.cluster.primary.query<{ n: number }>(COUNT))[0]?.n
  const pending = world.admin.query("insert into note (body) values ('not confirmed')")
  await expect.poll(() => world.replica().query(COUNT)).toEqual([{ n: (before ?? 0) + 1 }])
  const scope = requestScope(pool, { isTracked: true, isWanted: true })
  const shown = await runInScope(scope, () => count(pool))
  const seen = await scope.session.capturePosition()
  expect([shown, await world.cluster.primary.query(COUNT)]).toEqual([(before ?? 0) + 1, [{ n: before }]])
  if (seen === undefined) throw new Error('a tracked read left nothing to see')
  return { pool, seen, shown, pending }
}

/** Each way in which the next request may read at the primary. */
const READS: Readonly<Record<string, (pool: RoutedPool) => Promise<number>>> = {
  'a strong read': (pool) => withConsistency('strong', () => count(pool)),
  'a transaction': async (pool) => {
    const client = await pool.connect()
    try {
      await client.query('begin isolation level serializable')
      const counted = await count(client)
      await client.query('commit')
      return counted
    } finally {
      client.release()
    }
  },
  'a write with what it reads': async (pool) => {
    const text = `insert into note (body) select 'counted ' || n from (${COUNT}) c returning (select n from (${COUNT}) d)::int as n`
    return (await pool.query<{ n: number }>(text)).rows[0]?.n ?? -1
  },
}

describe('F5: a commit that waits for a synchronous standby, and is shown by another', () => {
  test.each(Object.entries(READS))('%s at the primary waits until it shows that too', async (_title, read) => {
    const { pool, seen, shown, pending } = await clientAhead()
    let isRead = false
    const reading = runInScope(requestScope(pool, { minPosition: seen, isWanted: true }), () => read(pool)).finally(
      () => {
        isRead = true
      },
    )
    await sleep(100)
    expect(isRead).toBe(false)
    await waitFor('')
    expect(await reading).toBe(shown)
    await pending
  })

  test('so does a read of the same request, and asks no more after that', async () => {
    const { pool, shown, pending } = await clientAhead()
    const scope = requestScope(pool, { isTracked: true, isWanted: true })
    await runInScope(scope, async () => {
      expect([await count(pool), scope.session.mayBeAhead]).toEqual([shown, true])
      setTimeout(() => void waitFor(''), 100)
      expect(await withConsistency('strong', () => count(pool))).toBe(shown)
      expect(scope.session.mayBeAhead).toBe(false)
    })
    await pending
  })

  test('nobody waits longer than a second, and who has not seen it does not wait', async () => {
    const { pool, seen, shown, pending } = await clientAhead()
    const strong = (minPosition: ReadPosition | undefined) =>
      runInScope(requestScope(pool, { minPosition, isWanted: true }), async () => {
        const start = performance.now()
        return [await withConsistency('strong', () => count(pool)), performance.now() - start] as const
      })
    const [strangers, quick] = await strong(undefined)
    const [own, slow] = await strong(seen)
    expect([strangers, own]).toEqual([shown - 1, shown - 1])
    expect(quick).toBeLessThan(500)
    expect(slow).toBeGreaterThan(900)
    expect(slow).toBeLessThan(2_500)
    await waitFor('')
    await pending
  })
})
