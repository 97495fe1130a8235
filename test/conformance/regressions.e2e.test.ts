import { findReplay, getToken, runWithToken } from '@headwater/core'
import { inRequest } from '@headwater/test-world'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { listen, REGIONS, type Region, SECRET, Stage } from '../stage.ts'
import { type Data, type DataAdapter, SCHEMA } from './data.ts'
import { loadDataAdapters } from './data-adapters.ts'
import { frontOf } from './hosts.ts'

// What went wrong in others, each under the names of its issues, held against every data adapter.

const ADAPTERS = await loadDataAdapters()

let stage: Stage
const open: Record<Region, Map<DataAdapter, Data>> = { ams: new Map(), nrt: new Map() }

beforeAll(async () => {
  stage = await Stage.open({
    schema: SCHEMA,
    // A replica next door in both regions: a read that crosses, or a write that stays, shows.
    pool: (region, { replicas }) => ({
      replicas: replicas.map(({ url }) => ({ region, connectionString: url })),
      maxWaitMillis: 200,
    }),
    startApp: ({ region, pool }) => {
      for (const adapter of ADAPTERS) open[region].set(adapter, adapter.open(pool))
      const endpoints = ADAPTERS.flatMap((adapter, index) => {
        const { find, write } = dataOf(adapter, region)
        return Object.entries({ find, write }).map(([name, act]) => ({
          path: `/${index}/${name}`,
          isStreamed: false,
          handle: ({ body }: { readonly body: string }) => act(body),
        }))
      })
      return listen(frontOf({ pool, secret: SECRET, earlyReplay: false }, endpoints))
    },
  })
})

afterAll(() => stage?.[Symbol.asyncDispose]())

function dataOf(adapter: DataAdapter, region: Region): Data {
  const data = open[region].get(adapter)
  if (data === undefined) throw new Error(`${adapter.name} is not open`)
  return data
}

const replica = () => stage.world.replica()

describe.each(ADAPTERS.map((adapter) => ({ adapter, data: adapter.name })))('$data', ({ adapter, data: name }) => {
  const home = () => dataOf(adapter, 'ams')

  /** The same at home and away, where the request is replayed instead. */
  async function needsPrimary(act: (data: Data) => Promise<unknown>): Promise<void> {
    expect(await inRequest(stage.pools.ams, () => act(home()))).toBe('primary')
    const error = await inRequest(stage.pools.nrt, () => act(dataOf(adapter, 'nrt'))).catch((reason: unknown) => reason)
    expect(findReplay(error)).toMatchObject({ region: 'ams' })
  }

  const pathOf = (action: string, body = '') =>
    `/hono/${ADAPTERS.indexOf(adapter)}/${action}${body && `?body=${encodeURIComponent(body)}`}`

  test('payload#13011, payload#13588, typeorm#9427, sequelize#7844, misskey#10897: who wrote a row finds it in the same request', async () => {
    const body = `${name} same request`
    await replica().pauseReplay()
    try {
      const seen = await inRequest(stage.pools.ams, async () => [await home().write(body), await home().find(body)])
      expect(seen).toEqual(['primary', 'primary sees 1'])
    } finally {
      await replica().resumeReplay()
    }
  })

  test('pgdog#823, #912, proxysql#3433, libsql-client-ts#145: and in the next one', async () => {
    const body = `${name} next request`
    await replica().pauseReplay()
    try {
      const written = await stage.fetch('nrt', pathOf('write'), { method: 'POST', body })
      const headers = { 'headwater-token': written.headers.get('headwater-token') ?? '' }
      const found = await stage.fetch('nrt', pathOf('find', body), { headers })
      expect(await found.json()).toEqual({ answer: 'primary sees 1' })
    } finally {
      await replica().resumeReplay()
    }
  })

  test('pgdog#1156, pgcat#582: and in a job that it started', async () => {
    const body = `${name} job`
    await replica().pauseReplay()
    try {
      const token = await inRequest(stage.pools.ams, async () => {
        await home().write(body)
        return getToken({ secret: SECRET })
      })
      expect(await runWithToken(token, () => home().find(body), { secret: SECRET })).toBe('primary sees 1')
    } finally {
      await replica().resumeReplay()
    }
  })

  test('laravel#37646, laravel#37567: reads stick to the primary for that request alone', async () => {
    await stage.world.cluster.waitUntilCaughtUp()
    const other = inRequest(stage.pools.ams, async () => {
      const before = await home().read()
      await new Promise((resolve) => setTimeout(resolve, 50))
      return [before, await home().read()]
    })
    expect(await inRequest(stage.pools.ams, async () => [await home().write(name), await home().read()])).toEqual([
      'primary',
      'primary',
    ])
    expect(await other).toEqual(['nrt', 'nrt'])
    // R9: outside any request it comes home once the replica has what was written there before.
    await expect.poll(() => home().read()).toBe('nrt')
  })

  test('prisma#26795, extension-read-replicas#14, umami#4370, sequelize#14860: raw SQL goes where its text says', async () => {
    for (const region of REGIONS)
      expect(await inRequest(stage.pools[region], () => dataOf(adapter, region).readRaw())).toBe('nrt')
    await needsPrimary((data) => data.writeRaw(`${name} raw`))
  })

  test('drizzle-orm#4185, pgcat#829, active_record_proxy_adapters#46: what writes through a CTE is a write', async () => {
    await needsPrimary((data) => data.writingCte(`${name} CTE`))
    await needsPrimary((data) => data.cteBeforeUpdate())
  })

  test('pgcat#887, pgcat#489: row locks, advisory locks and sequences belong to the primary', async () => {
    await needsPrimary((data) => data.forUpdate())
    await needsPrimary((data) => data.forShareSkipLocked())
    await needsPrimary((data) => data.advisoryLock())
    await needsPrimary((data) => data.nextval())
  })

  test('drizzle-orm#6279, extension-read-replicas#35: with no option set, a write that no word shows is not lost', async () => {
    const body = `${name} unseen`
    await home().callWriter(body)
    await dataOf(adapter, 'nrt').callWriter(body)
    expect(await stage.notes(body)).toHaveLength(2)
  })

  test('drizzle-orm#6234, better-auth#5887, authentik#19086, sequelize#7323: no read leaves its transaction', async () => {
    expect(await inRequest(stage.pools.ams, () => home().transaction(`${name} transaction`))).toEqual([
      'primary',
      'primary',
    ])
    expect(await inRequest(stage.pools.ams, () => home().readOnlyTransaction())).toEqual(['nrt', 'nrt'])
  })

  test('doorkeeper#1783, authtrail#54, openstreetmap-website#2634, rails#56850: a GET that writes is replayed', async () => {
    const body = `${name} GET`
    const response = await stage.fetch('nrt', pathOf('write', body))
    expect(await response.json()).toEqual({ answer: 'primary' })
    expect(await stage.notes(body)).toHaveLength(1)
  })
})

test('sequelize#7180, #8832, #13944, typeorm#4262, dbal#2339, dbresolver#47, civitai#2422: reads outlive their replica, and go back to it', async () => {
  const everywhere = () => Promise.all(ADAPTERS.map((adapter) => dataOf(adapter, 'ams').read()))
  const all = (who: string) => ADAPTERS.map(() => who)
  await expect.poll(everywhere, { timeout: 10_000 }).toEqual(all('nrt'))
  await replica().stop('immediate')
  try {
    expect(await everywhere()).toEqual(all('primary'))
  } finally {
    await replica().start()
  }
  await expect.poll(everywhere, { timeout: 10_000 }).toEqual(all('nrt'))
})
