import type { Cluster } from '@headwater/cluster'
import { startPinnedCluster } from '../pinned-cluster.ts'
import { type Figure, type Section, show } from '../report.ts'
import { summarise } from '../statistics.ts'
import { AppProcess, type AppSetup } from './app-process.ts'
import { HttpLoad, type WireRequest } from './http-load.ts'
import { measureRequestLife } from './request-life.ts'

const CONNECTIONS = 32
/** V8 has compiled nearly all of it after that many requests, of all cases; an app that runs for a day has long been there. Blocks are short, so that others disturb both of a pair alike. */
const QUICK = { pairs: 16, requests: 500, warmUp: 10_000 }
const FULL = { pairs: 60, requests: 500, warmUp: 20_000 }

const SCHEMA = 'create table note (id int primary key generated always as identity, body text not null)'
const SECRET = 'a secret that is only for measuring'
const FRAMEWORKS = ['hono', 'express', 'koa'] as const

const LEAST: Case = {
  name: 'plain JSON, an async context alone',
  request: { method: 'GET', path: '/json', status: 200 },
}

const PLAIN_AT_LEAST = { hono: 0.8, express: 0.85, koa: 0.85 } as const
const READ_AT_LEAST = 0.97
const EARLY_REPLAYS_AT_LEAST = 40_000

interface Case {
  readonly name: string
  readonly request: WireRequest
  readonly atLeast?: number
}

/** Apps with `headwater()` against the same apps without it, over HTTP. */
export async function measureHttp(isQuick: boolean): Promise<readonly Section[]> {
  const effort = isQuick ? QUICK : FULL
  await using pinned = await startPinnedCluster({ replicas: ['nrt'] })
  const { cluster } = pinned
  await cluster.primary.query(SCHEMA)
  await cluster.primary.query("insert into note (body) values ('first')")
  await cluster.waitUntilCaughtUp()
  const cookie = await pinned.onFirst(() => tokenCookieOf(cluster))
  await cluster.waitUntilCaughtUp()
  const sections: Section[] = []
  for (const framework of FRAMEWORKS) {
    const start = (middleware: AppSetup['middleware']): Promise<AppProcess> =>
      pinned.onFirst(() => AppProcess.start(setupOf(cluster, { framework, middleware })))
    await using bare = await start('none')
    await using routed = await start('headwater')
    const figures: Figure[] = []
    {
      await using least = await start('context')
      figures.push(...(await compare(bare, least, LEAST, effort)))
    }
    for (const one of casesOf(framework, cookie)) figures.push(...(await compare(bare, routed, one, effort)))
    figures.push(await measureEarlyReplays(routed, effort))
    for (const [name, app] of [
      ['without', bare],
      ['with', routed],
    ] as const) {
      const { rssBytes } = await app.cost()
      figures.push({ name: `RSS after all of it, ${name}`, unit: 'MB', summary: summarise([rssBytes / 2 ** 20]) })
    }
    sections.push({
      title: `${framework} with headwater(), against the same app without it over pg.Pool`,
      note:
        `${CONNECTIONS} connections, ${effort.pairs} pairs of blocks of ${effort.requests} requests, in alternating order, compared within each pair. ` +
        `CPU is that of the app's process, and what decides where it has one processor. The apps have one processor in turn, where the system allows; their client and the servers share the others.`,
      figures,
    })
  }
  return [...sections, await measureRequestLife(isQuick)]
}

function casesOf(framework: AppSetup['framework'], cookie: string): readonly Case[] {
  const withToken = { headers: { cookie } }
  const json: WireRequest = { method: 'GET', path: '/json', status: 200 }
  const read: WireRequest = { method: 'GET', path: '/note', status: 200 }
  const plain = PLAIN_AT_LEAST[framework]
  return [
    { name: 'plain JSON', request: json, atLeast: plain },
    {
      name: 'plain JSON, a token',
      request: { ...json, ...withToken },
      ...(framework === 'hono' && { atLeast: plain }),
    },
    { name: 'a read next door', request: read, atLeast: READ_AT_LEAST },
    { name: 'a read next door, a token', request: { ...read, ...withToken } },
  ]
}

async function compare(bare: AppProcess, routed: AppProcess, one: Case, effort: typeof FULL): Promise<Figure[]> {
  await using bareLoad = await HttpLoad.open(bare.port, CONNECTIONS)
  await using routedLoad = await HttpLoad.open(routed.port, CONNECTIONS)
  const sides = [
    { app: bare, load: bareLoad },
    { app: routed, load: routedLoad },
  ] as const
  for (const { load } of sides) await load.run(one.request, effort.warmUp)
  const ratios: number[] = []
  const cpuRatios: number[] = []
  const [bareCpu, routedCpu]: [number[], number[]] = [[], []]
  for (let pair = 0; pair < effort.pairs; pair += 1) {
    const costs = new Map<AppProcess, Cost>()
    for (const { app, load } of pair % 2 === 0 ? sides : sides.toReversed()) {
      costs.set(app, await costOf(app, () => load.run(one.request, effort.requests), effort.requests))
    }
    const [before, after] = [costs.get(bare), costs.get(routed)]
    if (before === undefined || after === undefined) continue
    ratios.push(before.time / after.time)
    cpuRatios.push(before.cpu / after.cpu)
    bareCpu.push(before.cpu)
    routedCpu.push(after.cpu)
  }
  const target = one.atLeast === undefined ? undefined : { atLeast: one.atLeast }
  return [
    { name: `${one.name}: throughput`, unit: '× without', summary: summarise(ratios), ...(target && { target }) },
    {
      name: `${one.name}: requests a second of CPU`,
      unit: '× without',
      summary: summarise(cpuRatios),
      beside: `${show(summarise(routedCpu).median)} µs beside ${show(summarise(bareCpu).median)}`,
    },
  ]
}

interface Cost {
  /** In µs per request. */
  readonly time: number
  /** In µs of the app's process per request. */
  readonly cpu: number
}

async function costOf(app: AppProcess, run: () => Promise<unknown>, requests: number): Promise<Cost> {
  const before = await app.cost()
  const start = performance.now()
  await run()
  const elapsed = performance.now() - start
  const after = await app.cost()
  return { time: (elapsed * 1000) / requests, cpu: (after.cpuMicros - before.cpuMicros) / requests }
}

/** An unsafe request away from home is replayed before any work (P5). */
async function measureEarlyReplays(app: AppProcess, effort: typeof FULL): Promise<Figure> {
  const request: WireRequest = { method: 'POST', path: '/note', status: 409, headers: { 'fly-region': 'nrt' } }
  await using load = await HttpLoad.open(app.port, CONNECTIONS)
  await load.run(request, effort.warmUp)
  const perSecond: number[] = []
  for (let block = 0; block < effort.pairs; block += 1) {
    const { cpu } = await costOf(app, () => load.run(request, effort.requests), effort.requests)
    perSecond.push(1e6 / cpu)
  }
  return {
    name: 'early replays a second of CPU',
    unit: '/s',
    summary: summarise(perSecond),
    target: { atLeast: EARLY_REPLAYS_AT_LEAST },
  }
}

/** The cookie that a browser has after a write, made by an app at home. */
async function tokenCookieOf(cluster: Cluster): Promise<string> {
  await using app = await AppProcess.start(setupOf(cluster, { framework: 'koa', region: 'ams' }))
  await using load = await HttpLoad.open(app.port, 1)
  const head = await load.run({ method: 'POST', path: '/note', status: 200 }, 1)
  const cookie = /\r\nset-cookie: ([^;\r\n]+)/i.exec(head)?.[1]
  if (cookie === undefined) throw new Error(`[bench] the write gave no token:\n${head}`)
  return cookie
}

function setupOf(cluster: Cluster, setup: Pick<AppSetup, 'framework'> & Partial<AppSetup>): AppSetup {
  const [replica] = cluster.replicas
  if (replica === undefined) throw new Error('[bench] the cluster has no replica')
  return {
    middleware: 'headwater',
    region: 'nrt',
    primaryUrl: cluster.primary.url,
    replicaUrl: replica.url,
    secret: SECRET,
    ...setup,
  }
}
