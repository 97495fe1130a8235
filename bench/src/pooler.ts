import type { Cluster } from '@headwater/cluster'
import { RoutedPool } from '@headwater/pg'
import { hasPgBouncer, PgBouncer, pgBouncers } from '@headwater/test-world'
import pg from 'pg'
import { startPinnedCluster } from './pinned-cluster.ts'
import { FULL, measureSetup, noteOn, QUICK, type Setup } from './pool.ts'
import { SCHEMA, WORKLOADS } from './pool-workloads.ts'
import type { Section } from './report.ts'

const MODES = ['session', 'transaction'] as const
type Mode = (typeof MODES)[number]

/** Reads of `RoutedPool` against those of a bare `pg.Pool`, through the same PgBouncer. */
export async function measurePooler(isQuick: boolean): Promise<readonly Section[]> {
  const [command] = pgBouncers
  if (!hasPgBouncer || command === undefined) {
    return [{ title: 'through PgBouncer', note: 'Not measured: no pgbouncer on the PATH.', figures: [] }]
  }
  const sections: Section[] = []
  for (const mode of MODES) sections.push(await measureMode(mode, command.version, isQuick ? QUICK : FULL))
  return sections
}

async function measureMode(mode: Mode, version: string, effort: typeof FULL): Promise<Section> {
  const poolers: PgBouncer[] = []
  await using pinned = await startPinnedCluster({ replicas: ['ams'] }, async (cluster) => {
    const pooler = await PgBouncer.start(targetsOf(cluster), { pool_mode: mode })
    poolers.push(pooler)
    return pooler
  })
  const { cluster } = pinned
  const [pooler] = poolers
  if (pooler === undefined) throw new Error('[bench] there is no pooler')
  await cluster.primary.query(SCHEMA)
  await cluster.primary.query("insert into note (body) values ('first')")
  await cluster.waitUntilCaughtUp()
  const setup: Setup = {
    title: `RoutedPool through PgBouncer ${version} in ${mode} mode, against pg.Pool through it`,
    unit: '× pg',
    open: () => poolsThrough(pooler, mode),
    workloads: WORKLOADS.filter(({ doesWrite }) => !doesWrite),
  }
  return { title: setup.title, note: noteOn(effort, pinned.note), figures: await measureSetup(setup, effort) }
}

function targetsOf({ primary, replicas }: Cluster): Parameters<typeof PgBouncer.start>[0] {
  const [replica] = replicas
  if (replica === undefined) throw new Error('[bench] the cluster has no replica')
  return { home: primary, replica }
}

/** Both pools and the watch fit into the 20 sessions that PgBouncer has by default: in session mode, one more waits for ever. */
const MAX = 8

function poolsThrough(pooler: PgBouncer, mode: Mode) {
  const common: pg.PoolConfig = { max: MAX, idleTimeoutMillis: 0 }
  return {
    bare: new pg.Pool({ ...common, connectionString: pooler.url('replica') }),
    routed: new RoutedPool({
      logger: false,
      ...common,
      region: 'ams',
      pooler: mode,
      primary: { region: 'ams', connectionString: pooler.url('home') },
      replicas: [{ region: 'ams', connectionString: pooler.url('replica') }],
    }),
  }
}
