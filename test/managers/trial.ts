import { setTimeout as sleep } from 'node:timers/promises'
import { askOnce } from '@headwater/test-world'
import pg from 'pg'
import { killServer, type Member, type MemberName, type PatroniCluster } from './patroni-cluster.ts'
import { arrivalIn, type PoolOptions, type Region, type Seen, Workload } from './workload.ts'

/** What happens to the leader. `machine-gone`: all its processes are killed, and nobody but the lock's time-out tells. */
export type Happening = 'switchover' | 'server-killed' | 'machine-gone'

export interface Trial {
  readonly happening: Happening
  readonly from: MemberName
  readonly to: MemberName
  readonly requests: number
  /** Those that got no answer, or one of 400 and above. */
  readonly failed: readonly Seen[]
  readonly slowestMillis: number
  /** From the last write that was acknowledged by the old primary to the first by the new one, in the app of each region. */
  readonly withoutWritesMillis: number
  /** From the moment in which the new primary first said that it takes writes to the first write that came there, from each region. */
  readonly followedMillis: Readonly<Record<Region, number | undefined>>
  /** The same to the first that was acknowledged: with synchronous replication the new primary waits for its standbys first. */
  readonly acknowledgedMillis: Readonly<Record<Region, number | undefined>>
  readonly acknowledged: number
  readonly lost: number
  readonly doubled: number
}

export interface TrialOptions {
  readonly happening: Happening
  /** Who is to lead afterwards; Patroni chooses when it is nobody's plan. */
  readonly to?: MemberName
  readonly perSecond: number
  readonly pool: (region: Region) => PoolOptions
}

const CALM_MILLIS = 1_500
/** How long writes must go well again before the trial ends. */
const AFTER_MILLIS = 2_000

/** Runs the workload while something happens to the leader, and counts what its clients saw. */
export async function runTrial(
  cluster: PatroniCluster,
  { happening, to, perSecond, pool }: TrialOptions,
): Promise<Trial> {
  await cluster.untilHealthy()
  const leader = await cluster.leader()
  if (leader === undefined) throw new Error('there is no leader, so nothing can happen to it')
  await askOnce(
    leader.url,
    'create table if not exists note (id bigint primary key generated always as identity, body text not null)',
  )
  await using workload = await Workload.open(pool)
  workload.start(perSecond)
  await sleep(CALM_MILLIS)
  await using signs = new FirstSigns(cluster.members.filter((member) => member !== leader))
  const next = await Promise.race([signs.first, happen(cluster, happening, leader, to)])
  const isFollowed = (): boolean =>
    (['ams', 'nrt'] as const).every((region) => firstWrites(workload.seen, region, next.member) !== undefined)
  for (const end = performance.now() + 60_000; !isFollowed() && performance.now() < end; ) await sleep(50)
  await sleep(AFTER_MILLIS)
  await workload.stop()
  const writes = await askOnce<{ body: string; count: number }>(
    next.member.url,
    'select body, count(*)::int as count from note group by body',
  )
  const counts = new Map(writes.map(({ body, count }) => [body, count]))
  const { seen } = workload
  const acknowledged = seen.filter(({ kind, status }) => kind === 'write' && status === 200)
  const since = (what: 'arrivedAt' | 'answeredAt') => (region: Region) => {
    const first = firstWrites(seen, region, next.member)
    return first === undefined ? undefined : first[what] - next.at
  }
  const [followed, answered] = [since('arrivedAt'), since('answeredAt')]
  return {
    happening,
    from: leader.name,
    to: next.member.name,
    requests: seen.length,
    failed: seen.filter(({ status }) => status === undefined || status >= 400),
    slowestMillis: Math.max(...seen.map(({ tookMillis }) => tookMillis)),
    withoutWritesMillis: longestPause(acknowledged.map(({ sentAt, tookMillis }) => sentAt + tookMillis)),
    followedMillis: { ams: followed('ams'), nrt: followed('nrt') },
    acknowledgedMillis: { ams: answered('ams'), nrt: answered('nrt') },
    acknowledged: acknowledged.length,
    lost: acknowledged.filter(({ body }) => !counts.has(body)).length,
    doubled: seen.filter(({ body }) => (counts.get(body) ?? 0) > 1).length,
  }
}

/** Never resolves: the first sign of the next leader comes before Patroni's own answer does. Rejects when nothing could happen. */
async function happen(
  cluster: PatroniCluster,
  happening: Happening,
  leader: Member,
  to: MemberName | undefined,
): Promise<never> {
  switch (happening) {
    case 'switchover':
      await cluster.switchover(candidateFor(cluster, leader, to))
      break
    case 'server-killed':
      await killServer(leader)
      break
    case 'machine-gone':
      await cluster.killMember(leader)
  }
  return new Promise(() => undefined)
}

/** Who is to lead; another one, where an unplanned failure has made that the leader already. */
function candidateFor(cluster: PatroniCluster, leader: Member, to: MemberName | undefined): Member {
  const others = cluster.members.filter((member) => member !== leader)
  return others.find(({ name }) => name === to) ?? others.find(({ region }) => region !== leader.region) ?? leader
}

/** When the first write of this region's clients came to `member`, and when the first was answered by it. */
function firstWrites(
  seen: readonly Seen[],
  region: Region,
  { port }: Member,
): { readonly arrivedAt: number; readonly answeredAt: number } | undefined {
  const there = seen.flatMap((one) => {
    const arrival = one.region === region ? arrivalIn(one) : undefined
    return arrival?.port === port ? [{ arrivedAt: arrival.at, answeredAt: one.sentAt + one.tookMillis }] : []
  })
  if (there.length === 0) return undefined
  const first = (of: (one: (typeof there)[number]) => number): number => Math.min(...there.map(of))
  return { arrivedAt: first((one) => one.arrivedAt), answeredAt: first((one) => one.answeredAt) }
}

function longestPause(times: readonly number[]): number {
  const sorted = [...times].sort((a, b) => a - b)
  return Math.max(0, ...sorted.map((time, index) => time - (sorted[index - 1] ?? time)))
}

/** Watches standbys, each over a connection of its own, for the first that says it takes writes. */
class FirstSigns implements AsyncDisposable {
  readonly first: Promise<{ readonly member: Member; readonly at: number }>
  readonly #clients: pg.Client[] = []
  #hasEnded = false

  constructor(members: readonly Member[]) {
    this.first = Promise.race(members.map((member) => this.#watch(member)))
  }

  async #watch(member: Member): Promise<{ member: Member; at: number }> {
    const client = new pg.Client(member.url)
    client.on('error', () => undefined)
    this.#clients.push(client)
    await client.connect()
    while (!this.#hasEnded) {
      const { rows } = await client.query('select pg_is_in_recovery() as is')
      if (rows[0]?.is === false) return { member, at: performance.now() }
      await sleep(5)
    }
    return new Promise(() => undefined)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#hasEnded = true
    await Promise.all(this.#clients.map((client) => client.end().catch(() => undefined)))
  }
}
