import type { Server } from 'node:http'
import { ensurePrimary, forbidReplay, runInScope } from '@headwater/core'
import { headwater } from '@headwater/http/hono'
import { requestScope } from '@headwater/test-world'
import { createAdaptorServer } from '@hono/node-server'
import { Hono } from 'hono'
import { describe, expect, it } from 'vitest'
import { signState } from '../packages/http/src/replay/replay-state.ts'
import { listen, SECRET, Stage, type StageOptions } from './stage.ts'

/** An app that writes a note, and says where. */
const startApp: StageOptions['startApp'] = ({ pool, region }) => {
  const app = new Hono()
  app.use(headwater({ pool, secret: SECRET, timeoutMillis: 400, earlyReplay: false }))
  app.get('/read', async (context) => context.json((await pool.query('select who from server')).rows[0]))
  app.post('/write', async (context) => {
    await pool.query('insert into note (body, region) values ($1, $2)', [await context.req.text(), region])
    return context.json({ region })
  })
  // What must not happen twice comes before the write.
  app.post('/charge', async (context) => {
    ensurePrimary()
    forbidReplay()
    charged.push(region)
    await pool.query('insert into note (body, region) values ($1, $2)', [await context.req.text(), region])
    return context.json({ region })
  })
  return listen(createAdaptorServer(app) as Server)
}

/** Where a deed was done. */
const charged: string[] = []

const open = (pool?: StageOptions['pool']) => Stage.open({ startApp, ...(pool && { pool }) })
const post = (stage: Stage, body: string) => stage.fetch('nrt', '/write', { method: 'POST', body })
const hopsOf = async (stage: Stage) => (await stage.way()).hops.map(({ region }) => region)

describe('P4: the primary moves while a request is on its way', () => {
  it('P4, X8, F7: it is replayed once more, back to where it came from, and written there once', async () => {
    await using stage = await open(() => ({ promotionWaitMillis: 15_000 }))
    await post(stage, 'before')
    await stage.way()
    await stage.world.cluster.primary.kill()
    await stage.world.replica().promote()
    // Each instance hears of it when it hears of it; until both have, requests cross back and forth.
    const bodies: string[] = []
    const longest: number[] = []
    for (const end = performance.now() + 3000; performance.now() < end; ) {
      const body = `while it moves ${bodies.length}`
      bodies.push(body)
      const response = await post(stage, body)
      expect(response.status).toBe(200)
      longest.push((await hopsOf(stage)).length)
    }
    expect(Math.max(...longest)).toBeLessThanOrEqual(3)
    expect(longest.at(-1)).toBe(1)
    const rows = await stage.world
      .replica()
      .query<{ body: string }>("select body from note where body like 'while it%'")
    expect(rows.map(({ body }) => body).sort()).toEqual(bodies.sort())
  })

  it('P4: it is replayed once more when it learns on the way that the primary is back where it came from', async () => {
    await using stage = await open()
    await post(stage, 'before')
    await stage.world.cluster.primary.kill()
    await stage.world.replica().promote()
    await expect.poll(() => stage.pools.ams.topology.primaryRegion, { timeout: 10_000 }).toBe('nrt')
    // What an instance in nrt asked for that had not heard yet.
    const request = { method: 'POST', url: '/write' }
    const { cluster } = stage.pools.ams.topology
    const state = signState([SECRET], request, 'write', Date.now(), { cluster, timeline: 1 })
    const headers = { 'fly-request-id': '1', 'fly-replay-src': `instance=1;region=nrt;t=1;state=${state}` }
    const ask = () => fetch(`${stage.urls.ams}/write`, { method: 'POST', body: 'x', headers })
    const replayed = await ask()
    expect([replayed.status, replayed.headers.get('fly-replay')]).toEqual([409, expect.stringMatching(/^region=nrt;/)])
    const again = /state=([^;]+)/.exec(replayed.headers.get('fly-replay') ?? '')?.[1]
    headers['fly-replay-src'] = `instance=1;region=nrt;t=1;state=${again}`
    expect((await ask()).status).toBe(503)
  })

  it('X9: ensurePrimary() in a request that was replayed here waits for the primary, and says 503 when none comes', async () => {
    await using stage = await open(() => ({ promotionWaitMillis: 1_500 }))
    await post(stage, 'before')
    charged.length = 0
    // Whoever sent it has heard of a promotion that is not over.
    const request = { method: 'POST', url: '/charge' }
    const { cluster } = stage.pools.nrt.topology
    const state = signState([SECRET], request, 'write', Date.now(), { cluster, timeline: 2 })
    const headers = { 'fly-request-id': '1', 'fly-replay-src': `instance=1;region=ams;t=1;state=${state}` }
    const ask = () => fetch(`${stage.urls.nrt}/charge`, { method: 'POST', body: 'x', headers })
    const startedAt = performance.now()
    const early = await ask()
    expect([early.status, early.headers.get('retry-after'), charged]).toEqual([503, '1', []])
    expect(performance.now() - startedAt).toBeGreaterThan(1_400)
    await stage.world.cluster.primary.kill()
    const late = ask()
    await stage.world.replica().promote()
    expect([(await late).status, charged]).toEqual([200, ['nrt']])
  })

  it('P4, R4: a request that has written before the primary moved is never replayed: it goes on over the network', async () => {
    await using stage = await open()
    const pool = stage.pools.ams
    const scope = requestScope(pool)
    await runInScope(scope, () => pool.query("insert into note (body) values ('first')"))
    await stage.world.cluster.waitUntilCaughtUp()
    await stage.world.cluster.primary.kill()
    await stage.world.replica().promote()
    await expect.poll(() => pool.topology.isAtHome, { timeout: 10_000 }).toBe(false)
    await runInScope(scope, async () => {
      await pool.query("insert into note (body) values ('second')")
      ensurePrimary()
      expect((await pool.query('select body from note order by id')).rows).toEqual([
        { body: 'first' },
        { body: 'second' },
      ])
    })
    expect(scope.isSpent).toBe(false)
  })
})

describe('X8: nobody in the primary’s region takes the replay, and its database lives', () => {
  it('X8: a region that stands in writes over the network; without one it is a 503', async () => {
    await using stage = await open((_region, { primary }) => ({
      primary: { region: 'ams', connectionString: primary.url, standIns: ['nrt'] },
    }))
    stage.proxy.faults.regionDown('ams')
    const response = await post(stage, 'over the network')
    expect([response.status, await response.json()]).toEqual([200, { region: 'nrt' }])
    expect(await stage.notes('over the network')).toEqual(['nrt'])
    stage.proxy.faults.regionUp('ams')
    expect(await (await post(stage, 'as ever')).json()).toEqual({ region: 'ams' })
  })

  it('P8: once a replay there has come back, the writes of the next two seconds are refused at once; reads go on', async () => {
    await using stage = await open()
    stage.proxy.faults.regionDown('ams')
    expect((await post(stage, 'first')).status).toBe(503)
    await stage.way()
    const startedAt = performance.now()
    const second = await post(stage, 'second')
    expect([second.status, second.headers.get('retry-after')]).toEqual([503, '1'])
    expect(performance.now() - startedAt).toBeLessThan(300)
    expect(await hopsOf(stage)).toEqual(['nrt'])
    expect(await (await stage.fetch('nrt', '/read')).json()).toEqual({ who: 'nrt' })
    stage.proxy.faults.regionUp('ams')
    await expect.poll(async () => (await post(stage, 'again')).status, { timeout: 5000, interval: 100 }).toBe(200)
  })

  it('P8: a deploy of the primary’s region that the proxy knows late: a write waits for the machine, or is a 503 and nowhere', async () => {
    await using stage = await Stage.open({ startApp, proxy: { wakeMillis: 50 } })
    const { faults } = stage.proxy
    faults.staleCatalog(150)
    faults.stopMachine('machine-ams')
    expect((await post(stage, 'it waits')).status).toBe(200)
    expect((await stage.way()).hops.map(({ region, connectFailure }) => [region, connectFailure?.reason])).toEqual([
      ['nrt', undefined],
      ['ams', 'not running any more'],
      ['ams', undefined],
    ])
    expect(await stage.notes('it waits')).toEqual(['ams'])
    // Later than the 400 ms that a replay may take.
    faults.staleCatalog(60_000)
    faults.stopMachine('machine-ams')
    const refused = await post(stage, 'it comes back')
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1'])
    expect(await (await stage.fetch('nrt', '/read')).json()).toEqual({ who: 'nrt' })
    faults.staleCatalog(0)
    await expect.poll(async () => (await post(stage, 'after it')).status, { timeout: 5000, interval: 100 }).toBe(200)
    expect(await stage.notes('it comes back')).toEqual([])
  })
})
