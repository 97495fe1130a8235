import { formatLsn, type Lsn, NEVER_REACHED, parseLsn, toLsn } from '@headwater/core/internal'
import { World } from '@headwater/test-world'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, type TestContext, test } from 'vitest'
import { WAIT_FOR_LSN } from '../src/fleet/wait-for-lsn.ts'
import type { ServerWait } from '../src/fleet/watch.ts'
import { Watcher } from '../src/fleet/watcher.ts'

const INSERT = "insert into note (body) values ('waited for')"
let world: World
let version = 0

beforeAll(async () => {
  world = await World.start()
  const { rows } = await world.admin.query<{ version: string }>(
    "select current_setting('server_version_num') as version",
  )
  version = Math.floor(Number(rows[0]?.version) / 10_000)
})
afterAll(async () => {
  await world[Symbol.asyncDispose]()
})
beforeEach((context: TestContext) => {
  context.skip(
    version < WAIT_FOR_LSN.waitsFrom,
    `WAIT FOR LSN begins with PostgreSQL ${WAIT_FOR_LSN.waitsFrom}, this is ${version}`,
  )
})

const replica = () => world.replica()

async function flushed(): Promise<Lsn> {
  const { rows } = await world.admin.query<{ lsn: string }>('select pg_current_wal_flush_lsn()::text as lsn')
  const lsn = parseLsn(rows[0]?.lsn ?? '')
  if (lsn === undefined) throw new Error('unreachable')
  return lsn
}

/** Watches how far a replica is, on a session like those of a pool. */
function watch(url = replica().url, wait: ServerWait | 'asked' = WAIT_FOR_LSN) {
  const pool = new pg.Pool({
    connectionString: url,
    application_name: 'watched',
    options: '-c default_transaction_read_only=on',
  })
  const failures: unknown[] = []
  let samples = 0
  const watcher = new Watcher<Lsn>({
    config: pool.options,
    textFor: () => 'select coalesce(pg_last_wal_replay_lsn(), pg_current_wal_flush_lsn())::text',
    read: ([lsn]) => {
      samples += 1
      return parseLsn(lsn ?? '') ?? toLsn(0n)
    },
    pause: () => 60_000,
    ...(wait !== 'asked' && { wait }),
    onFailure: (_failure, error) => failures.push(error),
  })
  return {
    watcher,
    failures,
    samples: () => samples,
    until: (target: Lsn, maxWaitMillis: number, isEnough = () => (watcher.latest ?? 0n) >= target): Promise<boolean> =>
      new Promise((resolve) => watcher.waitUntil(isEnough, target, maxWaitMillis, resolve)),
    [Symbol.asyncDispose]: () => watcher.end(),
  }
}

/** What `WAIT FOR LSN` is answered with, and what we make of it. */
async function answerOf(client: pg.Client, target: Lsn) {
  const { rows } = await client.query<{ status: string }>(WAIT_FOR_LSN.text(target, 30))
  return [rows[0]?.status, WAIT_FOR_LSN.read(rows[0]?.status)]
}

async function connected(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url, options: '-c default_transaction_read_only=on' })
  client.on('error', () => undefined)
  await client.connect()
  return client
}

async function waitingPid(): Promise<number | undefined> {
  const rows = await replica().query<{ pid: number }>(
    "select pid from pg_stat_activity where application_name = 'watched' and wait_event = 'WaitForWalReplay'",
  )
  return rows[0]?.pid
}

/** With nothing new on the replica until the end of `fn`; gives it a position that is not there yet. */
async function paused(fn: (target: Lsn) => Promise<void>): Promise<void> {
  await replica().pauseReplay()
  try {
    await world.admin.query(INSERT)
    await fn(await flushed())
  } finally {
    await replica().resumeReplay()
    await world.cluster.waitUntilCaughtUp()
  }
}

describe("F4: PostgreSQL 19's own wait", () => {
  test('answers as documented, in a read-only session, on a standby and on a primary', async () => {
    const standby = await connected(replica().url)
    const primary = await connected(world.cluster.primary.url)
    try {
      await world.cluster.waitUntilCaughtUp()
      expect(await answerOf(standby, toLsn(1n))).toEqual(['success', 'there'])
      expect(await answerOf(standby, NEVER_REACHED)).toEqual(['timeout', 'not-yet'])
      expect(await answerOf(primary, toLsn(1n))).toEqual(['not in recovery', undefined])
      await expect(standby.query(`WAIT FOR LSN '${formatLsn(toLsn(1n))}' WITH (NONSENSE)`)).rejects.toThrow(/nonsense/i)
    } finally {
      await standby.end()
      await primary.end()
    }
  })

  test('lets a read wait in the server until the position is reached', async () => {
    await using watched = watch()
    let waiting: Promise<boolean> | undefined
    await paused(async (target) => {
      waiting = watched.until(target, 10_000)
      await expect.poll(waitingPid).toBeDefined()
    })
    expect(await waiting).toBe(true)
    expect(watched.failures).toEqual([])
  })

  test('waits for the nearest of several positions, and serves each reader at its own', async () => {
    await using watched = watch()
    const order: string[] = []
    let waiting: Promise<unknown> | undefined
    await paused(async (target) => {
      const far = watched.until(toLsn(target + 0x100_0000n), 600).then((isThere) => order.push(`far ${isThere}`))
      const near = watched.until(target, 10_000).then((isThere) => order.push(`near ${isThere}`))
      waiting = Promise.all([far, near])
      await expect.poll(waitingPid).toBeDefined()
    })
    await waiting
    expect(order).toEqual(['near true', 'far false'])
  })

  test('is not used again for a position that is reached and does not help: then it asks at the usual pace', async () => {
    await using watched = watch()
    await watched.until(toLsn(1n), 5000)
    const before = watched.samples()
    // As of a token whose client has read elsewhere, or of a replica that lags further than is allowed.
    expect(await watched.until(toLsn(1n), 400, () => false)).toBe(false)
    expect(watched.samples() - before).toBeGreaterThan(5)
    expect(watched.samples() - before).toBeLessThan(80)
  })

  test('is not used on a server that is not a standby: there it asks at the usual pace', async () => {
    await using watched = watch(world.cluster.primary.url)
    await watched.until(toLsn(1n), 5000)
    const before = watched.samples()
    expect(await watched.until(NEVER_REACHED, 400, () => false)).toBe(false)
    expect(watched.samples() - before).toBeGreaterThan(5)
    expect(watched.samples() - before).toBeLessThan(80)
  })

  test('wakes a reader sooner than asking every 10 ms does', async () => {
    await using waits = watch()
    await using asks = watch(replica().url, 'asked')
    const delay = 30
    const late: Record<'waits' | 'asks', number[]> = { waits: [], asks: [] }
    await replica().lag(delay)
    try {
      for (let round = 0; round < 60; round += 1) {
        await world.admin.query(INSERT)
        const writtenAt = performance.now()
        const target = await flushed()
        const whenThere = (which: 'waits' | 'asks', { until }: typeof waits) =>
          until(target, 5000).then((isThere) => {
            if (isThere) late[which].push(performance.now() - writtenAt - delay)
          })
        await Promise.all([whenThere('waits', waits), whenThere('asks', asks)])
      }
    } finally {
      await replica().lag(0)
    }
    const medianOf = (values: readonly number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
    expect([late.waits.length, late.asks.length]).toEqual([60, 60])
    const [waiting, asking] = [medianOf(late.waits), medianOf(late.asks)]
    console.log(`woken ${waiting.toFixed(1)} ms after the replay; by asking ${asking.toFixed(1)} ms (medians of 60)`)
    expect(waiting).toBeLessThan(asking)
  })

  test('when cancelled is reported once, and the reader is served all the same', async () => {
    await using watched = watch()
    let waiting: Promise<boolean> | undefined
    await paused(async (target) => {
      waiting = watched.until(target, 10_000)
      // Between two waits there is nothing to cancel.
      await expect
        .poll(async () => {
          await replica().query(`select pg_cancel_backend(${(await waitingPid()) ?? 0})`)
          return watched.failures.length
        })
        .toBe(1)
      expect(watched.failures).toMatchObject([{ code: '57014' }])
    })
    expect(await waiting).toBe(true)
    expect(watched.failures).toHaveLength(1)
  })

  // Last: it changes who is the primary.
  test('ends with a promotion, and counts what was replayed before as reached: it ignores timelines', async () => {
    const client = await connected(replica().url)
    const before = await flushed()
    await using watched = watch()
    const waiting = watched.until(NEVER_REACHED, 3000, () => false)
    await expect.poll(waitingPid).toBeDefined()
    await replica().promote()
    const samples = watched.samples()
    expect(await waiting).toBe(false)
    expect(watched.samples() - samples).toBeLessThan(600)
    expect(await answerOf(client, before)).toEqual(['success', 'there'])
    expect(await answerOf(client, NEVER_REACHED)).toEqual(['not in recovery', undefined])
    expect(watched.failures).toEqual([])
    await client.end()
  })
})
