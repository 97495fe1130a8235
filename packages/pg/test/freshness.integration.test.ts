import type { ClusterNode } from '@headwater/cluster'
import { diagnostics, type FreshnessEvent, runInScope, Scope, withConsistency, withReplica } from '@headwater/core'
import type { ReadPosition } from '@headwater/core/internal'
import { requestScope, WHO, World, who } from '@headwater/test-world'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { RoutedPool } from '../src/index.ts'

let world: World
let events: FreshnessEvent[] = []
const listen = (event: unknown): void => {
  events.push(event as FreshnessEvent)
}

beforeAll(async () => {
  world = await World.start({ replicas: ['nrt', 'nrt-2'] })
  diagnostics.freshness.subscribe(listen)
})
afterAll(async () => {
  diagnostics.freshness.unsubscribe(listen)
  await world[Symbol.asyncDispose]()
})
beforeEach(async () => {
  for (const replica of world.cluster.replicas) await replica.resumeReplay()
  await world.cluster.waitUntilCaughtUp()
  events = []
})

const INSERT = "insert into note (body) values ('of freshness')"

/** Writes through `pool` in a scope of its own, and gives what its client has then seen. */
async function write(pool: RoutedPool, text: string = INSERT): Promise<ReadPosition> {
  const scope = new Scope({ session: { isWanted: true } })
  const seen = await runInScope(scope, async () => {
    await pool.query(text)
    return scope.session.capturePosition()
  })
  if (seen === undefined) throw new Error('a write left nothing to see')
  return seen
}

/** A request of a client that has seen `minPosition`. */
function visit(pool: RoutedPool, minPosition: ReadPosition | undefined, isTracked?: boolean): Scope {
  return requestScope(pool, { minPosition, isTracked, isWanted: true })
}

async function whoIn(scope: Scope, pool: RoutedPool): Promise<string> {
  return runInScope(scope, () => who(pool))
}

async function countIn(scope: Scope, pool: RoutedPool): Promise<number> {
  return runInScope(
    scope,
    async () => (await pool.query<{ n: number }>('select count(*)::int as n from note')).rows[0]?.n ?? -1,
  )
}

/** Until the watchers have their first answer. */
async function warm(pool: RoutedPool): Promise<void> {
  const seen = await write(pool)
  await world.cluster.waitUntilCaughtUp()
  await expect.poll(() => whoIn(visit(pool, seen), pool).catch(() => ''), { timeout: 5000 }).toMatch(/^nrt/)
}

describe('F1, F4: a read whose client has written', () => {
  test('runs on the local replica once that has the write, and shows it', async () => {
    const home = await world.informedPool('ams')
    const away = await world.informedPool('nrt', { maxWaitMillis: 5000 })
    await warm(away)
    for (let round = 0; round < 20; round += 1) {
      const seen = await write(home)
      const expected = await countIn(visit(home, undefined), home)
      const scope = visit(away, seen)
      expect(await countIn(scope, away)).toBeGreaterThanOrEqual(expected)
      expect(await whoIn(scope, away)).toMatch(/^nrt/)
    }
  })

  test('waits for a replica that is a little behind', async () => {
    const away = await world.informedPool('nrt', { maxWaitMillis: 2000 })
    await warm(away)
    for (const replica of world.cluster.replicas) await replica.lag(150)
    try {
      const seen = await write(world.pool('ams'))
      const before = await world.notes('of freshness')
      const scope = visit(away, seen)
      expect(await countIn(scope, away)).toBe(before)
      expect(events.at(-1)).toMatchObject({ outcome: 'waited', reason: 'behind' })
      expect(events.at(-1)?.waited).toBeGreaterThan(20)
    } finally {
      for (const replica of world.cluster.replicas) await replica.lag(0)
    }
  })

  test('takes the other replica when one is behind', async () => {
    const away = await world.informedPool('nrt')
    await warm(away)
    await world.cluster.replicas[0]?.pauseReplay()
    const seen = await write(world.pool('ams'))
    await expect.poll(() => whoIn(visit(away, seen), away).catch(() => '')).toBe('nrt-2')
    for (let round = 0; round < 6; round += 1) expect(await whoIn(visit(away, seen), away)).toBe('nrt-2')
    expect(events.some(({ outcome }) => outcome === 'other-replica')).toBe(true)
  })

  test('with none in time, in another region: its request is replayed soon after maxWaitMillis', async () => {
    const away = await world.informedPool('nrt')
    await warm(away)
    for (const replica of world.cluster.replicas) await replica.pauseReplay()
    const seen = await write(world.pool('ams'))
    const scope = visit(away, seen)
    const start = performance.now()
    await expect(whoIn(scope, away)).rejects.toMatchObject({ code: 'HEADWATER_REPLAY_TO_PRIMARY', reason: 'behind' })
    expect(performance.now() - start).toBeLessThan(2000)
    expect(performance.now() - start).toBeGreaterThan(40)
    expect(scope.hasNeededPrimary).toBe(false)
  })

  test('with none in time, in the primary’s region: the primary answers at once', async () => {
    const home = await world.informedPool('ams')
    await warm(home)
    for (const replica of world.cluster.replicas) await replica.pauseReplay()
    const seen = await write(home)
    expect(await whoIn(visit(home, seen), home)).toBe('primary')
    expect(events.at(-1)).toMatchObject({ outcome: 'primary', reason: 'behind', waited: 0 })
  })

  test('a leased client looks again for each statement, and a READ ONLY transaction at its first', async () => {
    const home = await world.informedPool('ams')
    await warm(home)
    for (const replica of world.cluster.replicas) await replica.pauseReplay()
    const seen = await write(home)
    const scope = visit(home, seen)
    const answers = await runInScope(scope, async () => {
      const client = await home.connect()
      try {
        const alone = (await client.query<{ who: string }>(WHO)).rows[0]?.who
        await client.query('begin read only')
        const inside = (await client.query<{ who: string }>(WHO)).rows[0]?.who
        await client.query('commit')
        return [alone, inside]
      } finally {
        client.release()
      }
    })
    expect(answers).toEqual(['primary', 'primary'])
  })

  test('withReplica and eventual reads do not ask', async () => {
    const away = await world.informedPool('nrt')
    await warm(away)
    for (const replica of world.cluster.replicas) await replica.pauseReplay()
    const scope = visit(away, await write(world.pool('ams')))
    expect(await withReplicaIn(scope, away)).toMatch(/^nrt/)
    const eventual = await runInScope(scope, () => withConsistency('eventual', () => away.query<{ who: string }>(WHO)))
    expect(eventual.rows[0]?.who).toMatch(/^nrt/)
  })

  test('strong reads run at the primary', async () => {
    const home = await world.informedPool('ams')
    const { rows } = await withConsistency('strong', () => home.query<{ who: string }>(WHO))
    expect(rows[0]?.who).toBe('primary')
    const away = await world.informedPool('nrt', { consistency: 'strong' })
    await expect(whoIn(visit(away, undefined), away)).rejects.toMatchObject({ reason: 'strong' })
  })

  test('a table of primaryTables is read at the primary, also in a transaction that only reads', async () => {
    const home = await world.informedPool('ams', { primaryTables: ['public.note'] })
    const away = await world.informedPool('nrt', { primaryTables: ['note'] })
    const both = 'select who, (select count(*) from Note) from server'
    expect((await home.query<{ who: string }>(both)).rows[0]?.who).toBe('primary')
    expect((await home.query<{ who: string }>(WHO)).rows[0]?.who).toMatch(/^nrt/)
    const client = await home.connect()
    await client.query('begin read only')
    expect((await client.query<{ who: string }>(both)).rows[0]?.who).toBe('primary')
    await client.query('commit')
    client.release()
    const scope = visit(away, undefined)
    await expect(runInScope(scope, () => away.query(both))).rejects.toMatchObject({ reason: 'strong' })
    // Its notes are as they were: this was no write.
    expect(scope.hasWritten).toBe(false)
  })

  test('a table that must be read at the primary, in a transaction on a replica: the read fails instead of being stale', async () => {
    const note = 'select count(*) from note'
    const home = await world.informedPool('ams', { primaryTables: ['note'] })
    const away = await world.informedPool('nrt', { primaryTables: ['note'] })
    const client = await home.connect()
    await client.query('begin read only')
    expect((await client.query<{ who: string }>(WHO)).rows[0]?.who).toMatch(/^nrt/)
    await expect(client.query(note)).rejects.toMatchObject({ code: 'HEADWATER_WRITE_ON_REPLICA' })
    const strong = withConsistency('strong', () => client.query(WHO))
    await expect(strong).rejects.toThrow(/was run in a transaction on a replica.*withPrimary/)
    // Nothing was sent: the transaction goes on, and ends as ever.
    expect((await client.query<{ who: string }>(WHO)).rows[0]?.who).toMatch(/^nrt/)
    expect(await client.query('commit')).toMatchObject({ command: 'COMMIT' })
    client.release()
    for (const begin of ['begin', 'begin read only']) {
      const scope = visit(away, undefined)
      const reading = runInScope(scope, async () => {
        const leased = await away.connect()
        try {
          await leased.query(begin)
          expect((await leased.query<{ who: string }>(WHO)).rows[0]?.who).toMatch(/^nrt/)
          await leased.query(note)
        } finally {
          leased.release()
        }
      })
      await expect(reading).rejects.toMatchObject({ code: 'HEADWATER_REPLAY_TO_PRIMARY', reason: 'strong' })
    }
  })

  test('a token of unknown origin reads at the primary until it expires', async () => {
    const home = await world.informedPool('ams')
    await warm(home)
    const seen = await write(home)
    for (const foreign of [
      { ...seen, cluster: seen.cluster + 1n },
      { ...seen, timeline: 0 },
    ]) {
      expect(await whoIn(visit(home, foreign), home)).toBe('primary')
      expect(events.at(-1)).toMatchObject({ outcome: 'primary', reason: 'another-timeline' })
    }
  })
})

function withReplicaIn(scope: Scope, pool: RoutedPool): Promise<string> {
  return runInScope(scope, () => withReplica(() => who(pool)))
}

/** The statements that the node's own log shows of what ran while `fn` did, watchers apart. */
async function textsLoggedDuring(node: ClusterNode, fn: () => Promise<void>): Promise<string[]> {
  const set = async (value: string) => {
    await node.query(`alter system set log_statement = '${value}'`)
    await node.query('select pg_reload_conf()')
    // A backend reads its configuration anew between two statements.
    await expect
      .poll(async () => (await node.query<{ log_statement: string }>('show log_statement'))[0]?.log_statement)
      .toBe(value)
  }
  await set('all')
  const before = (await node.log()).length
  try {
    await fn()
  } finally {
    await set('none')
  }
  const lines = (await node.log()).slice(before).split('\n')
  return lines.filter((line) => /statement: |execute (?:<unnamed>|hw_[\w-]+): /.test(line))
}

describe('F2: the position of a write', () => {
  test('is after its commit: a replica that waits before each commit shows the write at that position', async () => {
    const home = await world.informedPool('ams')
    const away = await world.informedPool('nrt', { maxWaitMillis: 3000 })
    await warm(away)
    for (const replica of world.cluster.replicas) await replica.lag(60)
    try {
      for (let round = 0; round < 8; round += 1) {
        const scope = visit(home, undefined)
        const seen = await runInScope(scope, async () => {
          const client = await home.connect()
          await client.query('begin')
          await client.query(INSERT)
          const committed = await client.query('commit -- of the app')
          client.release()
          expect(committed).toMatchObject({ command: 'COMMIT', rowCount: null })
          // It came with the commit.
          expect(scope.session.mustAskPrimary).toBe(false)
          return scope.session.capturePosition()
        })
        const expected = await world.notes('of freshness')
        expect(await countIn(visit(away, seen), away)).toBeGreaterThanOrEqual(expected)
      }
    } finally {
      for (const replica of world.cluster.replicas) await replica.lag(0)
    }
  })

  test('is asked for once, however much was written, and never by a request that only read', async () => {
    const home = await world.informedPool('ams')
    const scope = visit(home, undefined)
    const texts = await textsLoggedDuring(world.cluster.primary, async () => {
      await runInScope(scope, async () => {
        for (let round = 0; round < 5; round += 1) await home.query(INSERT)
      })
      expect(scope.session.mustAskPrimary).toBe(true)
      expect(await scope.session.capturePosition()).toMatchObject({ node: 0 })
      expect(await scope.session.capturePosition()).toMatchObject({ node: 0 })
      expect(scope.session.mustAskPrimary).toBe(false)
    })
    expect(texts.filter((text) => text.includes(INSERT))).toHaveLength(5)
    expect(texts.filter((text) => text.includes('pg_walfile_name'))).toHaveLength(1)
    const reader = visit(home, undefined)
    await whoIn(reader, home)
    expect(reader.session.mustAskPrimary).toBe(false)
    expect(await reader.session.capturePosition()).toBeUndefined()
  })

  test('a commit that fails gives its error, and commits nothing', async () => {
    const home = await world.informedPool('ams')
    await world.admin.query(
      'create table pair (id int primary key, other int references pair deferrable initially deferred)',
    )
    const scope = visit(home, undefined)
    await runInScope(scope, async () => {
      const client = await home.connect()
      await client.query('begin')
      await client.query('insert into pair values (1, 2)')
      await expect(client.query('commit')).rejects.toMatchObject({ code: '23503' })
      expect(client.getTransactionStatus()).toBe('I')
      client.release()
    })
    expect(await scope.session.capturePosition()).toMatchObject({ node: 0 })
  })

  test('COMMIT of a failed transaction is answered with ROLLBACK, as in pg', async () => {
    const home = await world.informedPool('ams')
    await runInScope(visit(home, undefined), async () => {
      const client = await home.connect()
      await client.query('begin')
      await client.query(INSERT)
      await client.query('select 1 / 0').catch(() => undefined)
      expect(await client.query('commit')).toMatchObject({ command: 'ROLLBACK' })
      client.release()
    })
  })

  test('a write that has not committed, or was not awaited, gives a token that reads at the primary', async () => {
    const home = await world.informedPool('ams')
    const scope = visit(home, undefined)
    await runInScope(scope, async () => {
      const client = await home.connect()
      await client.query('begin')
      await client.query(INSERT)
      expect(await scope.session.capturePosition()).toMatchObject({ timeline: 0xffff_ffff })
      await client.query('rollback')
      client.release()
      expect(await scope.session.capturePosition()).not.toMatchObject({ timeline: 0xffff_ffff })
      const late = home.query(INSERT)
      expect(await scope.session.capturePosition()).toMatchObject({ timeline: 0xffff_ffff })
      await late
    })
  })

  test('is right with asynchronous commits, also where only one transaction asked for them', async () => {
    const home = await world.informedPool('ams')
    const away = await world.informedPool('nrt', { maxWaitMillis: 3000 })
    await warm(away)
    for (let round = 0; round < 10; round += 1) {
      const scope = visit(home, undefined)
      const seen = await runInScope(scope, async () => {
        const client = await home.connect()
        await client.query('begin')
        await client.query('set local synchronous_commit = off')
        await client.query(INSERT)
        await client.query('commit')
        client.release()
        return scope.session.capturePosition()
      })
      const expected = await world.notes('of freshness')
      expect(await countIn(visit(away, seen), away)).toBeGreaterThanOrEqual(expected)
    }
  })
})

describe('F4: a read that is caught up', () => {
  test('costs the replica nothing but itself', async () => {
    const away = await world.informedPool('nrt')
    await warm(away)
    const minPosition = await write(world.pool('ams'))
    await world.cluster.waitUntilCaughtUp()
    const [first] = world.cluster.replicas
    if (first === undefined) throw new Error('unreachable')
    let answered = 0
    const texts = await textsLoggedDuring(first, async () => {
      for (let round = 0; round < 40; round += 1) {
        const scope = visit(away, minPosition)
        if ((await whoIn(scope, away)) === 'nrt') answered += 1
        await scope.session.capturePosition()
      }
    })
    expect(answered).toBeGreaterThan(10)
    expect(texts.filter((text) => text.includes(WHO))).toHaveLength(answered)
    // The watcher's: one now and then, whatever the number of reads; and what each new connection asks once.
    expect(texts.filter((text) => text.includes('pg_last_wal_replay_lsn')).length).toBeLessThan(10)
  })
})

describe('F5: what a client reads never gets older', () => {
  test('stays with the replica that it has read from, without a query', async () => {
    const away = await world.informedPool('nrt')
    await warm(away)
    let minPosition = await write(world.pool('ams'))
    let previous = ''
    await world.cluster.waitUntilCaughtUp()
    const first = await whoIn(visit(away, minPosition), away).catch(() => '')
    expect(first).toMatch(/^nrt/)
    for (let round = 0; round < 8; round += 1) {
      const scope = visit(away, minPosition)
      const who = await whoIn(scope, away)
      expect(scope.session.mustAskPrimary).toBe(false)
      const next = await scope.session.capturePosition()
      expect(next?.node).not.toBe(0)
      if (next === undefined) throw new Error('unreachable')
      if (round > 0) expect(who).toBe(previous)
      previous = who
      minPosition = next
    }
  })

  test('the first read on another replica goes to the primary, whose position then replaces the first replica', async () => {
    const home = await world.informedPool('ams')
    await warm(home)
    const minPosition = await write(home)
    await world.cluster.waitUntilCaughtUp()
    const elsewhere = visit(home, { ...minPosition, node: 12345 })
    expect(await whoIn(elsewhere, home)).toBe('primary')
    expect(events.at(-1)).toMatchObject({ reason: 'seen-elsewhere' })
    expect(elsewhere.session.mustAskPrimary).toBe(true)
    const freed = await elsewhere.session.capturePosition()
    expect(freed).toMatchObject({ node: 0 })
    await world.cluster.waitUntilCaughtUp()
    await expect.poll(() => whoIn(visit(home, freed), home)).toMatch(/^nrt/)
  })

  test('a client whose request was replayed here reads at the primary, and then at its own local replica', async () => {
    const home = await world.informedPool('ams')
    const away = await world.informedPool('nrt')
    await warm(home)
    await warm(away)
    const minPosition = await write(home)
    await world.cluster.waitUntilCaughtUp()
    const visiting = new Scope({
      kind: 'request',
      blocker: 'already-replayed',
      topology: () => home.topology,
      session: { minPosition, isVisiting: true, isWanted: true },
    })
    expect(await whoIn(visiting, home)).toBe('primary')
    const next = await visiting.session.capturePosition()
    // No server's mark: on any other it would lead back here, read after read.
    expect(next?.node).toBe(0)
    await world.cluster.waitUntilCaughtUp()
    await expect.poll(() => whoIn(visit(away, next), away).catch(() => '')).toMatch(/^nrt/)
  })

  test('a scope that has read at the primary goes on reading there', async () => {
    const home = await world.informedPool('ams')
    await warm(home)
    const scope = visit(home, await write(home))
    await world.cluster.waitUntilCaughtUp()
    await runInScope(scope, () => withConsistency('strong', () => home.query(WHO)))
    expect(await whoIn(scope, home)).toBe('primary')
  })
})

describe('F6, pgdog#215, postgres_exporter#385, #534, ubicloud#6213, check_postgres#121: a replica that lags further than allowed', () => {
  test('is not read, by bytes and by time, except by eventual reads', async () => {
    const home = await world.informedPool('ams', { maxLag: { millis: 400 } })
    const bytes = await world.informedPool('ams', { maxLag: { bytes: 0 } })
    for (const pool of [home, bytes]) {
      await expect.poll(() => whoIn(visit(pool, undefined), pool), { timeout: 5000 }).toMatch(/^nrt/)
    }
    for (const replica of world.cluster.replicas) await replica.pauseReplay()
    await world.admin.query(INSERT)
    for (const pool of [home, bytes]) {
      await expect.poll(() => whoIn(visit(pool, undefined), pool), { timeout: 5000 }).toBe('primary')
    }
    expect(events.at(-1)).toMatchObject({ outcome: 'primary', reason: 'lagging' })
    const { rows } = await withConsistency('eventual', () => home.query<{ who: string }>(WHO))
    expect(rows[0]?.who).toMatch(/^nrt/)
    for (const replica of world.cluster.replicas) await replica.resumeReplay()
    for (const pool of [home, bytes]) {
      await expect.poll(() => whoIn(visit(pool, undefined), pool), { timeout: 5000 }).toMatch(/^nrt/)
    }
  })

  test('an idle primary causes no lag', async () => {
    const pool = await world.informedPool('ams', { consistency: 'bounded', maxLag: { millis: 1500 } })
    await expect.poll(() => whoIn(visit(pool, undefined), pool), { timeout: 5000 }).toMatch(/^nrt/)
    const until = performance.now() + 3500
    while (performance.now() < until) {
      expect(await whoIn(visit(pool, undefined), pool)).toMatch(/^nrt/)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  })

  test('a dead receiver is lag as soon as the primary goes on', async () => {
    const pools = [{ millis: 400 }, { bytes: 0 }].map((maxLag) => world.pool('ams', { consistency: 'bounded', maxLag }))
    for (const pool of pools) {
      await expect.poll(() => whoIn(visit(pool, undefined), pool), { timeout: 5000 }).toMatch(/^nrt/)
    }
    for (const replica of world.cluster.replicas) await replica.disconnect()
    try {
      await world.admin.query(INSERT)
      for (const pool of pools) {
        await expect.poll(() => whoIn(visit(pool, undefined), pool), { timeout: 5000 }).toBe('primary')
      }
    } finally {
      for (const replica of world.cluster.replicas) await replica.reconnect()
    }
  })
})
