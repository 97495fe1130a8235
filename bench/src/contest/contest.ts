import type { Cluster } from '@headwater/cluster'
import { startPinnedCluster } from '../pinned-cluster.ts'
import { type Figure, type Section, show } from '../report.ts'
import { summarise } from '../statistics.ts'
import {
  drizzleOverHeadwater,
  drizzleOverPg,
  drizzlePrepared,
  drizzleWithReplicas,
  kyselyOverHeadwater,
  kyselyOverPg,
  kyselyReplication,
} from './builders.ts'
import { bunSql, hasBun } from './bun.ts'
import { CONNECTIONS, type Contender, type Servers } from './contender.ts'
import { barePg, headwater, pipelinedPg, postgresJs } from './drivers.ts'
import { generatePrisma, type Prisma } from './prisma.ts'
import { measureTurns, type Round } from './turns.ts'
import { SCHEMA, WORKLOAD_NAMES, WORKLOADS, type Workload } from './workloads.ts'

const QUICK = { generations: 1, rounds: 5, blockMs: 15, warmUp: 100 }
const FULL = { generations: 3, rounds: 9, blockMs: 25, warmUp: 400 }
const CALLERS = [1, 10, 50] as const
/** How long Headwater is used before it is measured: texts come back, are prepared, and are measured fast. */
const SETTLING_MILLIS = 1_500

const PG = 'pg'
const OWN = 'Headwater'
const LANES = 'Headwater, lanes'

/** What one contender has to reach of another; ranges are to lie above 0.95 of it. */
const DUELS: readonly {
  readonly of: string
  readonly against: string
  readonly goals: Readonly<Partial<Record<Workload, number>>>
}[] = [
  ...['postgres.js', 'Bun.SQL'].map((against) => ({
    of: OWN,
    against,
    goals: { point: 1, join: 1, insert: 1, transaction: 1 },
  })),
  ...['postgres.js', 'Bun.SQL'].map((against) => ({ of: LANES, against, goals: { point: 1, join: 1, page: 1 } })),
  { of: 'Kysely over Headwater', against: 'Kysely over pg', goals: { point: 1.2, join: 2.1 } },
  { of: 'Drizzle over Headwater', against: 'Drizzle over pg', goals: { point: 1.2, join: 2.1 } },
]

/** Rounds by contender, for each workload and number of callers. */
type Results = Map<string, Map<string, Round[]>>
const cellOf = (workload: Workload, callers: number): string => `${workload} ${callers}`

/** What a user would pick instead, side by side in one run. */
export async function measureContest(isQuick: boolean): Promise<readonly Section[]> {
  await using pinned = await startPinnedCluster({ replicas: ['ams'], settings: { max_connections: '600' } })
  const { cluster } = pinned
  await cluster.primary.query(SCHEMA)
  await cluster.waitUntilCaughtUp()
  const [replica] = cluster.replicas
  if (replica === undefined) throw new Error('[bench] the cluster has no replica')
  const servers = { primary: cluster.primary.url, replica: replica.url }
  const remarks: string[] = [
    'Prisma reads a join by its relations, in a query each. kysely-replication runs on Kysely 0.28.',
  ]
  await using prisma = await generatePrisma().catch((error: unknown) => {
    remarks.push(`No Prisma: its client could not be generated (${error instanceof Error ? error.message : error}).`)
    return undefined
  })
  const isBunThere = hasBun()
  if (!isBunThere) remarks.push('No Bun.SQL: no bun on the PATH, and BUN names none.')
  const effort = isQuick ? QUICK : FULL
  const results: Results = new Map()
  for (let generation = 0; generation < effort.generations; generation += 1) {
    const contenders = await openAll(servers, prisma, isBunThere)
    try {
      for (const { name, runs } of contenders) if (name.includes('Headwater')) await settle(runs)
      for (const callers of CALLERS) {
        for (const workload of WORKLOAD_NAMES) {
          const able = contenders.filter(({ runs }) => runs[workload] !== undefined)
          const backendsOf = (application: string): Promise<readonly number[]> => backendsIn(cluster, application)
          const rounds = await measureTurns(able, workload, callers, { ...effort, backendsOf })
          keep(results, cellOf(workload, callers), rounds)
        }
      }
    } finally {
      await Promise.all(contenders.map((contender) => contender.end()))
    }
  }
  const note = [
    `${effort.generations} times new pools of ${CONNECTIONS}, ${effort.rounds} rounds with each in which every one has a block of about ${effort.blockMs} ms, in ` +
      `turns, compared within each round. Reads on the local replica, inserts at the primary. ${pinned.note}`,
    ...remarks,
  ].join('\n')
  return [...CALLERS.map((callers) => tableOf(results, callers, note)), duelsOf(results, note)]
}

async function openAll(
  servers: Servers,
  prisma: Prisma | undefined,
  isBunThere: boolean,
): Promise<readonly Contender[]> {
  return [
    barePg(servers, PG, false),
    barePg(servers, 'pg, named by hand', true),
    await pipelinedPg(servers, 'pg, pipeline: true, two clients, named'),
    postgresJs(servers, 'postgres.js'),
    ...(isBunThere ? [await bunSql(servers, 'Bun.SQL')] : []),
    headwater(servers, OWN, false),
    headwater(servers, LANES, true),
    kyselyOverPg(servers, 'Kysely over pg'),
    kyselyReplication(servers, 'kysely-replication'),
    kyselyOverHeadwater(servers, 'Kysely over Headwater'),
    drizzleOverPg(servers, 'Drizzle over pg'),
    drizzlePrepared(servers, 'Drizzle, .prepare()'),
    drizzleWithReplicas(servers, 'Drizzle, withReplicas'),
    drizzleOverHeadwater(servers, 'Drizzle over Headwater'),
    ...(prisma === undefined ? [] : [prisma.open(servers, 'Prisma, adapter-pg')]),
  ]
}

async function settle(runs: Contender['runs']): Promise<void> {
  const until = performance.now() + SETTLING_MILLIS
  while (performance.now() < until) for (const workload of WORKLOAD_NAMES) await runs[workload]?.()
}

async function backendsIn({ primary, replicas }: Cluster, application: string): Promise<readonly number[]> {
  const text = `select pid from pg_stat_activity where application_name = '${application}'`
  const rows = await Promise.all([primary, ...replicas].map((node) => node.query<{ pid: number }>(text)))
  return rows.flat().map(({ pid }) => pid)
}

function keep(results: Results, cell: string, rounds: ReadonlyMap<string, readonly Round[]>): void {
  const kept = results.get(cell) ?? new Map<string, Round[]>()
  results.set(cell, kept)
  for (const [name, more] of rounds) kept.set(name, [...(kept.get(name) ?? []), ...more])
}

function tableOf(results: Results, callers: number, note: string): Section {
  const figures = WORKLOAD_NAMES.flatMap((workload) => {
    const cell = results.get(cellOf(workload, callers)) ?? new Map<string, Round[]>()
    return [...cell].map(([name, rounds]): Figure => {
      const server = rounds.flatMap(({ serverCpu }) => serverCpu ?? [])
      const clientCpu = show(summarise(rounds.map((round) => round.clientCpu)).median)
      return {
        name: `${WORKLOADS[workload]}: ${name}`,
        unit: '× pg',
        summary: summarise(ratiosOf(cell, name, PG)),
        beside: `client ${clientCpu} µs${server.length === 0 ? '' : `, server ${show(summarise(server).median)}`}`,
      }
    })
  })
  return {
    title: `Side by side, ${callers} ${callers === 1 ? 'caller' : 'callers'}; CPU of each operation`,
    note,
    figures,
  }
}

function duelsOf(results: Results, note: string): Section {
  const figures: Figure[] = []
  for (const { of, against, goals } of DUELS) {
    for (const [workload, goal] of Object.entries(goals) as [Workload, number][]) {
      for (const callers of CALLERS) {
        const cell = results.get(cellOf(workload, callers))
        if (cell?.has(of) !== true || !cell.has(against)) continue
        const name = `${WORKLOADS[workload]}, ${callers} at once: ${of}`
        const summary = summarise(ratiosOf(cell, of, against))
        figures.push({ name, unit: `× ${against}`, summary, target: { atLeast: goal } })
      }
    }
  }
  return { title: 'Headwater against each of them', note, figures }
}

/** Throughput of one over that of another, round by round. */
function ratiosOf(cell: ReadonlyMap<string, readonly Round[]>, name: string, other: string): readonly number[] {
  const others = cell.get(other) ?? []
  return (cell.get(name) ?? []).map(({ time }, round) => (others[round]?.time ?? Number.NaN) / time)
}
