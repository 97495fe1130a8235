import { setTimeout as sleep } from 'node:timers/promises'
import { diagnostics, type QueryEvent, runInScope, Scope } from '@headwater/core'
import { World } from '@headwater/test-world'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

let world: World
beforeAll(async () => {
  world = await World.start()
}, 60_000)
afterAll(() => world[Symbol.asyncDispose]())

/** Collects what is published on `headwater:query` while `fn` runs. */
async function queriesIn(fn: () => Promise<unknown>): Promise<QueryEvent[]> {
  const events: QueryEvent[] = []
  const hear = (event: unknown): void => {
    events.push(event as QueryEvent)
  }
  diagnostics.query.subscribe(hear)
  try {
    await fn()
  } finally {
    diagnostics.query.unsubscribe(hear)
  }
  return events
}

const told = ({ server, region, decision: { route, reason } }: QueryEvent) => [server, region, route, reason]

describe('headwater:query', { timeout: 60_000 }, () => {
  it('R7: names the server that answers, its region and the reason, for lone statements, clients and transactions', async () => {
    const pool = await world.informedPool('nrt')
    const events = await queriesIn(async () => {
      await pool.query('select body from note')
      const client = await pool.connect()
      await client.query('begin read only')
      await client.query('select 1')
      await client.query('commit')
      client.release()
      await pool.query("insert into note (body) values ('x')")
    })
    expect(events.map(told)).toEqual([
      ['replica-0', 'nrt', 'replica', 'read'],
      ['replica-0', 'nrt', 'replica', 'read-only-transaction'],
      ['replica-0', 'nrt', 'replica', 'read-only-transaction'],
      ['primary', 'ams', 'direct', 'write'],
    ])
    for (const { waited } of events) expect(waited).toBeGreaterThanOrEqual(0)
  })

  it('R7: shows a read that goes on elsewhere at every server that it was sent to, and how long it waited for a connection', async () => {
    const pool = await world.informedPool('ams', { max: 1 })
    const events = await queriesIn(async () => {
      const cut = expect(pool.query('select pg_sleep(20)')).rejects.toMatchObject({ cause: { code: '57P01' } })
      const sleeper = "select pg_terminate_backend(pid) from pg_stat_activity where query = 'select pg_sleep(20)'"
      await expect.poll(() => world.replica().query(sleeper)).toHaveLength(1)
      // It sleeps at the primary now, in the only place: the write is not to come before it.
      const sleeps = "select 1 from pg_stat_activity where query = 'select pg_sleep(20)' and state = 'active'"
      await expect.poll(async () => (await world.admin.query(sleeps)).rowCount).toBe(1)
      const waits = pool.query("insert into note (body) values ('waits')")
      await sleep(300)
      await expect.poll(async () => (await world.admin.query(sleeper)).rowCount).toBe(1)
      await cut
      await waits
    })
    expect(events.map(told)[0]).toEqual(['replica-0', 'ams', 'replica', 'read'])
    // Whether its server has stopped is asked before the read is over; the write may be faster.
    const atPrimary = events.slice(1).toSorted((one, other) => one.waited - other.waited)
    expect(atPrimary.map(told)).toEqual([
      ['primary', 'ams', 'primary', 'replica-lost'],
      ['primary', 'ams', 'primary', 'write'],
    ])
    expect(atPrimary[1]?.waited).toBeGreaterThan(200)
  })

  it('R7: a scope that keeps a trail knows it without a subscriber; others keep nothing', async () => {
    const pool = await world.informedPool('nrt')
    const scope = new Scope({ keepsTrail: true })
    await runInScope(scope, async () => {
      await pool.query('select body from note')
      await pool.query('select body from note')
      await pool.query("insert into note (body) values ('x')")
      await pool.query('select body from note')
    })
    expect(scope.trail?.entries.map(({ server, decision: { reason }, count }) => [server, reason, count])).toEqual([
      ['replica-0', 'read', 2],
      ['primary', 'write', 1],
      ['primary', 'after-write', 1],
    ])
    expect(new Scope().trail).toBeUndefined()
  })
})
