import type { Cluster } from '@headwater/cluster'
import type { RoutedPool, RoutedPoolOptions } from '@headwater/pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { listen, REGIONS, type Region, SECRET, Stage } from '../stage.ts'
import { type Case, type Place, REPLICA } from './cases.ts'
import { type Data, type DataAdapter, SCHEMA } from './data.ts'
import { frontOf, HOSTS } from './hosts.ts'
import { Matrix } from './matrix.ts'

/** How a region's pool reaches the servers. */
export interface Ways extends AsyncDisposable {
  poolOf(region: Region): RoutedPoolOptions
}

export interface MatrixOptions {
  readonly adapters: readonly DataAdapter[]
  readonly cases: readonly Case[]
  /** The frameworks, by the first part of their paths. */
  readonly hosts: readonly string[]
  /** Opens the ways to a cluster, once it runs. */
  readonly openWays: (cluster: Cluster) => Promise<Ways>
}

/** What came of one run of a case. */
interface Outcome {
  readonly status: number
  readonly answer: unknown
  /** Where a handler began, in turn. */
  readonly ran: readonly Region[]
}

const OUTSIDE = 'outside a request'
const reasonToSkip = (adapter: DataAdapter, { uses }: Case) => uses.flatMap((name) => adapter.lacks[name] ?? [])[0]

/** Makes the tests of every case with every data adapter, at home and away in every framework, and outside a request. */
export function runMatrix({ adapters, cases, hosts, openWays }: MatrixOptions): void {
  const frameworks = hosts.map((prefix) => ({ prefix, framework: HOSTS[prefix]?.name ?? prefix }))
  const matrix = new Matrix([...frameworks.map(({ framework }) => framework), OUTSIDE])
  const pathOf = (adapter: DataAdapter, index: number) => `/${adapters.indexOf(adapter)}/${index}`

  let stage: Stage
  let ways: Ways | undefined
  const ran: Region[] = []
  const abroad = new Map<DataAdapter, Data>()

  beforeAll(async () => {
    stage = await Stage.open({
      schema: SCHEMA,
      pool: async (region, cluster) => {
        ways ??= await openWays(cluster)
        return ways.poolOf(region)
      },
      startApp: ({ region, pool }) =>
        listen(frontOf({ pool, secret: SECRET, earlyReplay: false }, endpointsOf(region, pool))),
    })
  })

  afterAll(async () => {
    console.log(`${matrix}`)
    await stage?.[Symbol.asyncDispose]()
    await ways?.[Symbol.asyncDispose]()
  })

  function endpointsOf(region: Region, pool: RoutedPool) {
    return adapters.flatMap((adapter) => {
      const data = adapter.open(pool)
      if (region === REGIONS[1]) abroad.set(adapter, data)
      return cases.map(({ run, isStreamed }, index) => ({
        path: pathOf(adapter, index),
        isStreamed,
        handle: async (call: Parameters<typeof run>[1]) => {
          ran.push(region)
          return run(data, call)
        },
      }))
    })
  }

  /** The case as a request of a client in a region. */
  async function request(region: Region, path: string, { method, isStreamed }: Case, body: string): Promise<Outcome> {
    const query = method === 'GET' ? `?body=${encodeURIComponent(body)}` : ''
    const response = await stage.fetch(region, `${path}${query}`, method === 'GET' ? {} : { method, body })
    const text = await response.text()
    const lines = () => text.split('\n').filter(Boolean)
    const answer = isStreamed ? lines() : response.ok ? (JSON.parse(text) as { answer: unknown }).answer : undefined
    return { status: response.status, answer, ran: ran.splice(0) }
  }

  /** The case as a call outside any request, away from home. */
  async function direct(adapter: DataAdapter, { run, isStreamed }: Case, body: string): Promise<Outcome> {
    const data = abroad.get(adapter)
    if (data === undefined) throw new Error(`${adapter.name} is not open`)
    // R9: behind a write of the case before, the primary answers until the replica has it.
    await expect.poll(() => data.read(), { timeout: 10_000, interval: 2 }).toBe(REPLICA)
    const lines: string[] = []
    const write = async (line: string) => void lines.push(line)
    try {
      const answer = await run(data, { body, write })
      return { status: 200, answer: isStreamed ? lines : answer, ran: [] }
    } catch {
      return { status: 500, answer: undefined, ran: [] }
    }
  }

  async function check(adapter: DataAdapter, each: Case, place: Place, body: string, run: () => Promise<Outcome>) {
    const { status = 200, answer, isReplayed, notes } = each.expected(place, adapter.wrappers)
    const outcome = await run()
    const first = place === 'home' ? 'ams' : 'nrt'
    expect({ ...outcome, notes: await stage.notes(body) }).toEqual({
      status,
      answer: answer ?? outcome.answer,
      ran: place === 'outside' ? [] : isReplayed ? [first, 'ams'] : [first],
      notes: Array.from({ length: notes }, () => expect.any(String)),
    })
  }

  let calls = 0

  /** One test of a case, counted in the matrix. */
  function test(
    adapter: DataAdapter,
    column: string,
    each: Case,
    place: Place,
    run: (body: string) => Promise<Outcome>,
  ) {
    const reason = reasonToSkip(adapter, each)
    if (reason !== undefined) matrix.skip(adapter.name, each.name, reason)
    it.skipIf(reason !== undefined)(`${each.name}, ${place}`, () => {
      const body = `${adapter.name} ${column} ${++calls}`
      return matrix.count(adapter.name, column, () => check(adapter, each, place, body, () => run(body)))
    })
  }

  describe.each(adapters.map((adapter) => ({ adapter, data: adapter.name })))('$data', ({ adapter }) => {
    describe.each(frameworks)('on $framework', ({ prefix, framework }) => {
      for (const [index, each] of cases.entries()) {
        const path = `/${prefix}${pathOf(adapter, index)}`
        test(adapter, framework, each, 'home', (body) => request('ams', path, each, body))
        test(adapter, framework, each, 'away', (body) => request('nrt', path, each, body))
      }
    })
    describe(OUTSIDE, () => {
      for (const each of cases) test(adapter, OUTSIDE, each, 'outside', (body) => direct(adapter, each, body))
    })
  })
}
