import { patroni } from '@headwater/pg'
import { describe, expect, it } from 'vitest'
import { findTools } from './packages.ts'
import { PatroniCluster } from './patroni-cluster.ts'
import { rowOf, TABLE_HEAD } from './report.ts'
import { runTrial } from './trial.ts'

const tools = findTools()
if ('missing' in tools) console.warn(`skipped: ${tools.missing}, so nothing is run under a real Patroni`)

describe.skipIf('missing' in tools)('under a real Patroni', { timeout: 240_000 }, () => {
  it('X7, X8, X9: the writes of both regions follow a planned switchover and a killed server, and none is lost or doubled', async () => {
    if ('missing' in tools) return
    await using cluster = await PatroniCluster.start(tools)
    const servers = cluster.members.map(({ region, url }) => ({ region, connectionString: url }))
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
})
