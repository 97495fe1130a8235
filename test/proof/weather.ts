import { setTimeout as sleep } from 'node:timers/promises'
import type { Cluster, ClusterNode } from '@headwater/cluster'
import type pg from 'pg'
import type { Random } from './random.ts'
import { openOwnConnection } from './rig.ts'

/** How often what happened to the replicas. */
export interface WeatherReport {
  /** A new delay of some hundred ms, or none. */
  delays: number
  /** A replay that stood still for a while. */
  pauses: number
  /** A delay of a second that went away at once. */
  jumps: number
  /** A replica that lost its power, and came back with less than it had shown. */
  crashes: number
  /** Transactions of strangers at the primary. */
  strangers: number
}

const LONGEST_DELAY = 300
const LONGEST_PAUSE = 600
const JUMP = 1_000
/** How often, of all that happens to a replica, it crashes. */
const CRASHES = 0.05

export interface WeatherOptions {
  readonly cluster: Cluster
  readonly random: Random
  /** Whether replicas crash too. */
  readonly hasCrashes: boolean
  readonly signal: AbortSignal
}

/**
 * Makes replicas lag, each on its own, now more, now less, until `signal` aborts; then lets them all go. And has strangers
 * write at the primary, some of whom keep what they wrote uncommitted, or commit without waiting for the disk.
 */
export async function makeWeather(options: WeatherOptions): Promise<WeatherReport> {
  const { cluster, random } = options
  const report: WeatherReport = { delays: 0, pauses: 0, jumps: 0, crashes: 0, strangers: 0 }
  const tasks = cluster.replicas.map((replica) =>
    troubleReplica(replica, { ...options, random: random.fork() }, report),
  )
  await Promise.all([...tasks, disturbPrimary(cluster.primary, random.fork(), report, options.signal)])
  return report
}

async function troubleReplica(
  replica: ClusterNode,
  { random, hasCrashes, signal }: WeatherOptions,
  report: WeatherReport,
): Promise<void> {
  let client = await openOwnConnection(replica.url)
  try {
    while (await pause(random.between(50, 500), signal)) {
      const dice = random.next()
      if (hasCrashes && random.chance(CRASHES)) {
        await client.end().catch(() => undefined)
        await replica.kill()
        await replica.start()
        client = await openOwnConnection(replica.url)
        report.crashes += 1
      } else if (dice < 0.65) {
        await delay(client, dice < 0.2 ? 0 : random.between(1, LONGEST_DELAY))
        report.delays += 1
      } else if (dice < 0.9) {
        await client.query('select pg_wal_replay_pause()')
        await pause(random.between(20, LONGEST_PAUSE), signal)
        await client.query('select pg_wal_replay_resume()')
        report.pauses += 1
      } else {
        await delay(client, JUMP)
        await pause(JUMP, signal)
        await delay(client, 0)
        report.jumps += 1
      }
    }
    await delay(client, 0)
  } finally {
    await client.end()
  }
}

/** A standby delays commits only, and takes a new figure at once. Source: Postgres docs, recovery_min_apply_delay. */
async function delay(client: pg.Client, milliseconds: number): Promise<void> {
  await client.query(`alter system set recovery_min_apply_delay = '${milliseconds}ms'`)
  await client.query('select pg_reload_conf()')
}

async function disturbPrimary(
  primary: ClusterNode,
  random: Random,
  report: WeatherReport,
  signal: AbortSignal,
): Promise<void> {
  const client = await openOwnConnection(primary.url)
  try {
    while (await pause(random.between(5, 100), signal)) {
      await client.query('begin')
      if (random.chance(0.3)) await client.query('set local synchronous_commit = off')
      await client.query('insert into noise (body) values ($1)', ['x'.repeat(random.between(1, 2000))])
      if (random.chance(0.3)) await pause(random.between(1, 200), signal)
      await client.query(random.chance(0.8) ? 'commit' : 'rollback')
      report.strangers += 1
    }
  } finally {
    await client.end()
  }
}

/** Whether it slept to the end. */
async function pause(milliseconds: number, signal: AbortSignal): Promise<boolean> {
  return sleep(milliseconds, true, { signal }).catch(() => false)
}
