import { parseArgs } from 'node:util'
import { patroni } from '@headwater/pg'
import { DEBIAN_PACKAGES, findTools, installPackages } from './packages.ts'
import { PatroniCluster } from './patroni-cluster.ts'
import { haproxyBefore, pgpoolBefore } from './proxies.ts'
import { isGood, rowOf, TABLE_HEAD } from './report.ts'
import { type Happening, runTrial, type Trial } from './trial.ts'
import { failures, type PoolOptions, type Region } from './workload.ts'

const USAGE = `pnpm managers [--short] [--through servers,haproxy,pgpool] [--per-second 100] [--install] [--if-possible]

Runs an app in two regions over a real Patroni with etcd, while the leader is switched over as planned, loses its server, and loses its
machine; with a pool that lists its servers, one behind HAProxy, and one behind pgpool-II.

  --short        one planned switchover to the other region and one killed server, with a pool that lists its servers
  --install      first installs Debian's packages that it needs: ${DEBIAN_PACKAGES.join(', ')}
  --if-possible  a machine that lacks them is no failure: the reason is printed
  --verbose      prints each request that failed, and the errors of the app's statements`

const { values } = parseArgs({
  options: {
    short: { type: 'boolean', default: false },
    through: { type: 'string', default: 'servers,haproxy,pgpool' },
    'per-second': { type: 'string', default: '100' },
    install: { type: 'boolean', default: false },
    'if-possible': { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

const WAYS = ['servers', 'haproxy', 'pgpool'] as const
type Way = (typeof WAYS)[number]

/** What happens in turn: within a region and across regions. Unplanned, Patroni chooses who follows. */
const LONG: readonly (readonly [Happening, 'ams-1' | 'ams-2' | 'nrt-1' | undefined])[] = [
  ['switchover', 'ams-2'],
  ['switchover', 'nrt-1'],
  ['switchover', 'ams-1'],
  ['server-killed', undefined],
  ['machine-gone', undefined],
]
const SHORT: typeof LONG = [
  ['switchover', 'nrt-1'],
  ['server-killed', undefined],
]

if (values.help) console.log(USAGE)
else process.exitCode = await main()

async function main(): Promise<number> {
  const ways = values.short ? ['servers' as const] : values.through.split(',').map(wayOf)
  if (values.install) installPackages()
  const tools = findTools()
  if ('missing' in tools) {
    console.log(`Skipped: ${tools.missing}.`)
    return values['if-possible'] ? 0 : 1
  }
  await using cluster = await PatroniCluster.start(tools)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void cluster[Symbol.asyncDispose]().finally(() => process.exit(1)))
  }
  console.log(TABLE_HEAD)
  let isGoodSoFar = true
  for (const way of ways) {
    const pool = await reach(cluster, way)
    for (const [happening, to] of values.short ? SHORT : LONG) {
      const trial: Trial = await runTrial(cluster, {
        happening,
        pool,
        perSecond: Number(values['per-second']),
        ...(to === undefined ? {} : { to }),
      })
      if (happening === 'machine-gone') await cluster.startMember(cluster.member(trial.from))
      console.log(rowOf(way, trial))
      if (values.verbose) for (const failed of trial.failed) console.log(failed)
      if (values.verbose) for (const failure of failures.splice(0)) console.log(failure)
      isGoodSoFar = isGood(trial) && isGoodSoFar
    }
  }
  return isGoodSoFar ? 0 : 1
}

function wayOf(text: string): Way {
  const found = WAYS.find((way) => way === text)
  if (found === undefined) throw new Error(`--through has ${JSON.stringify(text)}; expected some of ${WAYS.join(', ')}`)
  return found
}

/** The options of the pool in each region. */
async function reach(cluster: PatroniCluster, way: Way): Promise<(region: Region) => PoolOptions> {
  const servers = cluster.members.map(({ region, url }) => ({ region, connectionString: url }))
  const shared = (region: Region) => ({
    region,
    promotionWaitMillis: 30_000,
    truth: patroni({ url: cluster.members.map(({ api }) => api) }),
  })
  if (way === 'servers') return (region) => ({ ...shared(region), servers })
  const connectionString = await (way === 'haproxy' ? haproxyBefore(cluster) : pgpoolBefore(cluster))
  return (region) => ({
    ...shared(region),
    primary: { endpoint: 'moving', connectionString },
    replicas: [],
  })
}
