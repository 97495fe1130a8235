import { setTimeout as sleep } from 'node:timers/promises'
import { type Cluster, type ClusterNode, startCluster } from '@headwater/cluster'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RoutedPool } from '../src/index.ts'

/** What the app itself asks. */
const OWN = 'select 1 as asked_by_the_app'
/** Longer than the pause between two questions to a server of another region. */
const CALM_MILLIS = 12_000

let cluster: Cluster
beforeAll(async () => {
  const settings = { log_statement: 'all' }
  cluster = await startCluster({ replicas: ['nrt', 'nrt-2', 'fra'], settings })
})
afterAll(() => cluster?.stop())

/** How often the monitor has asked a server, by its log: nobody else has such a question. */
async function askedAt(node: ClusterNode): Promise<number> {
  return (await node.log()).split('select (case when pg_catalog.pg_is_in_recovery()').length - 1
}

describe('the monitor while all is calm', () => {
  it('X7: costs one connection and a question a second at each local server, and one in ten seconds at each far one', async () => {
    const [nrt, second, fra] = cluster.replicas
    if (nrt === undefined || second === undefined || fra === undefined) throw new Error('a replica is missing')
    const pool = new RoutedPool({
      region: 'nrt',
      primary: { region: 'ams', connectionString: cluster.primary.url },
      replicas: [
        { region: 'nrt', connectionString: nrt.url },
        { region: 'nrt', connectionString: second.url },
        { region: 'fra', connectionString: fra.url },
      ],
      application_name: 'measured',
      logger: false,
    })
    const abort = new AbortController()
    const reading = (async () => {
      while (!abort.signal.aborted) {
        await pool.query(OWN)
        await sleep(50)
      }
    })()
    try {
      const nodes = [nrt, second, fra, cluster.primary]
      // The start asks more: who is who.
      await sleep(3_000)
      const before = await Promise.all(nodes.map(askedAt))
      const beforeAt = performance.now()
      await sleep(CALM_MILLIS)
      const after = await Promise.all(nodes.map(askedAt))
      const seconds = (performance.now() - beforeAt) / 1_000
      const asked = nodes.map((_, index) => (after[index] ?? 0) - (before[index] ?? 0))
      const [atNrt = 0, atSecond = 0, ...far] = asked
      for (const local of [atNrt, atSecond]) {
        // A pause is a second in the mean; the edges of the time may each hold one more.
        expect(local, `${asked}`).toBeGreaterThan(seconds / 2)
        expect(local, `${asked}`).toBeLessThanOrEqual(seconds + 2)
      }
      for (const one of far) expect(one, `${asked}`).toBeLessThanOrEqual(seconds / 10 + 1)
      for (const node of nodes) {
        const watches = await node.query(
          "select 1 from pg_stat_activity where application_name = 'measured' and query ~ 'pg_control_checkpoint'",
        )
        expect(watches, node.name).toHaveLength(1)
      }
    } finally {
      abort.abort()
      await reading
      await pool.end()
    }
  })
})
