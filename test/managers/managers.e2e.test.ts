import { PrimaryConflict } from '@headwater/core'
import { patroni, RoutedPool } from '@headwater/pg'
import { askOnce } from '@headwater/test-world'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { findTools } from './packages.ts'
import { PatroniCluster } from './patroni-cluster.ts'
import { rowOf, TABLE_HEAD } from './report.ts'
import { runTrial } from './trial.ts'

const tools = findTools()
if ('missing' in tools) console.warn(`skipped: ${tools.missing}, so nothing is run under a real Patroni`)

describe.skipIf('missing' in tools)('under a real Patroni', { timeout: 240_000 }, () => {
  let cluster: PatroniCluster
  beforeAll(async () => {
    if ('missing' in tools) return
    cluster = await PatroniCluster.start(tools)
  })
  afterAll(() => cluster?.[Symbol.asyncDispose]())
  const serversOf = () => cluster.members.map(({ region, url }) => ({ region, connectionString: url }))

  it('X7, X8, X9: the writes of both regions follow a planned switchover and a killed server, and none is lost or doubled', async () => {
    const servers = serversOf()
    const urls = ['http://127.0.0.1:1', ...cluster.members.map(({ api }) => api)]
    const truth = patroni({ url: urls })
    const pool = (region: 'ams' | 'nrt') => ({ region, servers, promotionWaitMillis: 30_000, truth })
    const trials = []
    for (const happening of ['switchover', 'server-killed'] as const) {
      const trial = await runTrial(cluster, { happening, to: 'nrt-1', perSecond: 50, pool })
      trials.push(trial)
      // Patroni names the leader, whom a conflict would be decided for; its first member is not there.
      const leader = cluster.member(trial.to)
      expect(await truth([], AbortSignal.timeout(5_000))).toEqual({ host: '127.0.0.1', port: leader.port })
    }
    console.log([TABLE_HEAD, ...trials.map((trial) => rowOf('servers', trial))].join('\n'))
    for (const trial of trials) {
      expect(trial).toMatchObject({ lost: 0, doubled: 0 })
      expect(trial.acknowledged).toBeGreaterThan(10)
      expect(trial.followedMillis).toEqual({ ams: expect.any(Number), nrt: expect.any(Number) })
      // An answer came to each request, and nothing waited for the app's own patience.
      expect(trial.failed.filter(({ status }) => status === undefined)).toEqual([])
    }
    const [planned] = trials
    expect(planned?.to).toBe('nrt-1')
  })

  // Patroni lets two primaries be once it is paused: this comes last.
  it('X7: of two servers that were promoted by hand the one with the lock is written to, and the other one is fenced', async () => {
    vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
    await cluster.untilHealthy()
    await cluster.pause()
    const truth = patroni({ url: cluster.members.map(({ api }) => api) })
    const pool = new RoutedPool({ region: 'ams', servers: serversOf(), truth, logger: false, promotionWaitMillis: 200 })
    pool.on('error', () => undefined)
    const write = (body: string) => pool.query('insert into decision (body) values ($1)', [body])
    try {
      await pool.query('create table decision (body text not null)')
      await write('led')
      const old = await cluster.leader()
      if (old === undefined) throw new Error('there is no leader')
      const others = cluster.members.filter((member) => member !== old)
      await cluster.killMember(old)
      await Promise.all(others.map(({ url }) => askOnce(url, 'select pg_promote(false)')))
      // The old one still has the lock, so neither of the two is it.
      await expect
        .poll(() => write('torn').catch((error) => error), { timeout: 15_000 })
        .toBeInstanceOf(PrimaryConflict)
      await cluster.dropLock()
      const isWritten = () =>
        write('decided').then(
          () => true,
          () => false,
        )
      await expect.poll(isWritten, { timeout: 15_000, interval: 100 }).toBe(true)
      const leader = await cluster.leader()
      expect(others).toContain(leader)
      for (const { name, url } of others) {
        // Between the two promotions there was one primary, and a write.
        const rows = await askOnce(url, "select body from decision where body = 'decided'")
        expect(rows, name).toEqual(name === leader?.name ? [{ body: 'decided' }] : [])
      }
      const roles = pool
        .status()
        .servers.map(({ role }) => role)
        .sort()
      expect(roles).toEqual(['fenced', 'primary', 'unknown'])
    } finally {
      await pool.end()
    }
  })
})
