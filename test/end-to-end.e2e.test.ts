import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ADAPTERS, Attempts } from './apps.ts'
import { type Region, Stage } from './stage.ts'

/** Milliseconds for one crossing and back. */
const OCEAN = 200
const distance = (from: string, to: string) => (from === to ? 0 : OCEAN)

describe.each(Object.entries(ADAPTERS))('%s', (_name, startApp) => {
  const attempts = new Attempts()
  let stage: Stage
  beforeAll(async () => {
    stage = await Stage.open({
      startApp: (instance) => startApp(instance, { attempts, earlyReplay: false }),
      proxy: { latency: distance },
    })
  })
  afterAll(() => stage[Symbol.asyncDispose]())
  beforeEach(() => attempts.take())

  const post = (path: string, body: string, init: RequestInit = {}, from: Region = 'nrt') =>
    stage.fetch(from, path, { method: 'POST', body, ...init })

  it('a read in nrt is answered in nrt, by the replica', async () => {
    const response = await stage.fetch('nrt', '/read')
    expect(await response.json()).toMatchObject({ who: 'nrt' })
    expect(response.headers.get('set-cookie')).toBe('from=handler')
    const way = await stage.way()
    expect(way.hops.map((hop) => hop.region)).toEqual(['nrt'])
    expect(way.totalMillis).toBeLessThan(OCEAN)
  })

  it('a write through nrt lands exactly once, in ams; its local attempt leaves no trace', async () => {
    const response = await post('/write', 'once')
    expect(response.status).toBe(200)
    expect(await response.json()).toMatchObject({ region: 'ams' })
    expect(await stage.notes('once')).toEqual(['ams'])
    expect(attempts.take()).toEqual(['nrt', 'ams'])
    expect((await stage.way()).hops.map((hop) => [hop.region, hop.status])).toEqual([
      ['nrt', 409],
      ['ams', 200],
    ])
    expect(response.headers.get('fly-replay')).toBeNull()
  })

  it('P2: a function that writes is tried on the replica, refused, and replayed; the next time nothing is tried', async () => {
    for (const body of ['function one', 'function two']) {
      expect((await post('/function', body)).status).toBe(200)
      expect(await stage.notes(body)).toEqual(['by function'])
    }
  })

  it.each(['/swallow', '/wrap'])(
    'P3: %s, a handler that hides the error: replayed all the same, nothing of its answer is left',
    async (path) => {
      const response = await post(path, path)
      expect(response.status).toBe(200)
      expect(await response.json()).toMatchObject({ region: 'ams' })
      expect(await stage.notes(path)).toEqual(['ams'])
    },
  )

  it('P4: a handler that streams and then writes gets the typed error; the answer ends, and nothing is written', async () => {
    const response = await post('/stream', 'streamed')
    expect(await response.text()).toBe('first bytes\nHEADWATER_REPLAY_IMPOSSIBLE')
    expect(await stage.notes('streamed')).toEqual([])
  })

  it('P4: an error of ours inside an ORM’s wrapper still gives its status', async () => {
    const large = await post('/wrap', 'x'.repeat(2 * 1024 * 1024))
    expect(large.status).toBe(413)
  })

  it('P4: declared side effects forbid the replay', async () => {
    expect((await post('/effect', 'effect')).status).toBe(500)
    expect(await stage.notes('effect')).toEqual([])
  })

  it('P5: ensurePrimary() replays before any work', async () => {
    expect(await (await post('/ensure', 'ensured')).json()).toMatchObject({ region: 'ams' })
    expect(await stage.notes('ensured')).toEqual(['ams'])
  })

  it('R4: inside the replayed request a read sees the write', async () => {
    expect(await (await post('/read-your-write', 'mine')).json()).toEqual({ mine: 1 })
  })

  it('fly E6: a body of 2 MB is over the proxy’s limit: 413, nothing written; one just below it is replayed', async () => {
    const large = 'x'.repeat(2 * 1024 * 1024)
    expect((await post('/write', large)).status).toBe(413)
    // Fly says 1 MB, and not which: what would be over the smaller one is refused here, and not by a 502 of the proxy.
    expect((await post('/write', 'z'.repeat(1_020_000))).status).toBe(413)
    const fits = 'y'.repeat(1_000_000 - 64)
    expect((await post('/write', fits)).status).toBe(200)
    expect(await stage.notes(fits)).toEqual(['ams'])
    expect(await stage.notes(large)).toEqual([])
  })

  it('P7: a client’s own replay headers do not steer: forged, malformed and oversized ones are as if absent', async () => {
    for (const forged of ['instance=x;region=ams;t=1;state=v1.x.y.z', ';;;==', 'state="', '\u00e9', 'a'.repeat(8000)]) {
      const direct = stage.fetch('nrt', '/write', {
        method: 'POST',
        body: 'forged',
        headers: { 'fly-replay-src': forged },
      })
      expect((await direct).status).toBe(200)
    }
    expect(await stage.notes('forged')).toEqual(Array(5).fill('ams'))
  })

  it('many at once: every write lands once, and no request gets another’s answer', async () => {
    const bodies = Array.from({ length: 40 }, (_, n) => `concurrent ${n}`)
    const answers = await Promise.all(
      bodies.map(async (body, n) =>
        n % 2 === 0
          ? ((await (await post('/read-your-write', body)).json()) as object)
          : ((await (await stage.fetch('nrt', '/read')).json()) as object),
      ),
    )
    for (const [n, answer] of answers.entries())
      expect(answer).toMatchObject(n % 2 === 0 ? { mine: 1 } : { who: 'nrt' })
    for (const [n, body] of bodies.entries()) expect(await stage.notes(body)).toEqual(n % 2 === 0 ? ['ams'] : [])
  })
})

describe.each(Object.entries(ADAPTERS))('%s, as it comes', (_name, startApp) => {
  it('a write of any number of queries takes one ocean crossing plus its local work, within 15 %', async () => {
    const attempts = new Attempts()
    await using stage = await Stage.open({
      startApp: (instance) => startApp(instance, { attempts, earlyReplay: true }),
      proxy: { latency: distance },
    })
    const fastest = async (from: Region, queries: number) => {
      const times: number[] = []
      for (let n = 0; n < 6; n += 1) {
        const headers = { 'x-queries': String(queries) }
        expect((await stage.fetch(from, '/write', { method: 'POST', body: 'timed', headers })).status).toBe(200)
        times.push((await stage.way()).totalMillis)
      }
      // What else this machine does only ever adds.
      return Math.min(...times)
    }
    for (const queries of [1, 5, 50]) {
      const local = await fastest('ams', queries)
      const replayed = await fastest('nrt', queries)
      expect(replayed).toBeGreaterThan(OCEAN)
      expect(replayed / (OCEAN + local)).toBeLessThan(1.15)
    }
  })
})

describe.each(Object.entries(ADAPTERS))('%s, nothing twice', (_name, startApp) => {
  const attempts = new Attempts()
  let stage: Stage
  beforeAll(async () => {
    stage = await Stage.open({ startApp: (instance) => startApp(instance, { attempts, earlyReplay: true }) })
  })
  afterAll(() => stage[Symbol.asyncDispose]())
  beforeEach(() => attempts.take())

  it('P5: 200 POSTs that charge and then write make 200 charges, from the first one on', async () => {
    for (let n = 0; n < 200; n += 1) {
      const response = await stage.fetch('nrt', '/write', {
        method: 'POST',
        body: 'charged',
        headers: { 'x-queries': '1' },
      })
      expect(response.status).toBe(200)
    }
    // A handler that begins has charged by the time it writes.
    expect(attempts.take()).toEqual(Array(200).fill('ams'))
    expect(await stage.notes('charged')).toEqual(Array(200).fill('ams'))
  })

  it('P7: two headers of a handshake switch nothing off: the write is handed over, and at home it gets a token', async () => {
    const url = (region: Region, query: string) => `${stage.urls[region]}/write?body=${query}`
    const away = await getAsHandshake(url('nrt', 'steered'))
    expect([away.statusCode, away.headers['fly-replay']]).toEqual([409, expect.stringMatching(/^region=ams;/)])
    expect(await stage.notes('steered')).toEqual([])
    const home = await getAsHandshake(url('ams', 'at-home'))
    expect([home.statusCode, home.headers['headwater-token']]).toEqual([200, expect.any(String)])
    expect(await stage.notes('at-home')).toEqual(['ams'])
  })
})

/** A GET with two headers that `fetch` would not send. */
async function getAsHandshake(url: string): Promise<IncomingMessage> {
  const headers = { upgrade: 'websocket', 'sec-websocket-key': 'x', 'fly-request-id': '1' }
  const asked = request(url, { headers, agent: false }).end()
  const [response] = (await once(asked, 'response', { signal: AbortSignal.timeout(5000) })) as [IncomingMessage]
  response.resume()
  return response
}

describe('what goes wrong', () => {
  const [, startApp] = Object.entries(ADAPTERS)[0] ?? []
  if (startApp === undefined) throw new Error('no adapter')
  const attempts = new Attempts()
  const open = (options: Partial<Parameters<typeof Stage.open>[0]> = {}) =>
    Stage.open({ startApp: (instance) => startApp(instance, { attempts, earlyReplay: false }), ...options })

  it('P8: with the primary region down a write gets 503 with Retry-After, reads go on, and it works again afterwards', async () => {
    await using stage = await open({ proxy: { noCandidateWaitMillis: 300 } })
    stage.proxy.faults.regionDown('ams')
    const refused = await stage.fetch('nrt', '/write', { method: 'POST', body: 'down' })
    expect(refused.status).toBe(503)
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
    expect((await stage.fetch('nrt', '/read')).status).toBe(200)
    stage.proxy.faults.regionUp('ams')
    expect(await stage.notes('down')).toEqual([])
    // A region that was found dead is asked again after two seconds.
    const again = () => stage.fetch('nrt', '/write', { method: 'POST', body: 'up' })
    await expect.poll(async () => (await again()).status, { timeout: 10_000, interval: 200 }).toBe(200)
    expect(await stage.notes('up')).toEqual(['ams'])
  })

  it('P4: a replayed request that arrives in a region that is not home either: one replay, then 503, no loop', async () => {
    // ams believes that the primary is elsewhere: PRIMARY_REGION is wrong there.
    await using stage = await open({
      pool: (region, cluster) =>
        region === 'ams' ? { primary: { region: 'ord', connectionString: cluster.primary.url } } : {},
    })
    const response = await stage.fetch('nrt', '/write', { method: 'POST', body: 'lost' })
    expect(response.status).toBe(503)
    const way = await stage.way()
    expect(way.replays).toBe(1)
    expect(await stage.notes('lost')).toEqual([])
  })

  it('an unreachable primary: 503 with Retry-After at home, at once, also for a replayed request', async () => {
    const nowhere = 'postgres://postgres@127.0.0.1:1/postgres'
    await using stage = await open({
      // The catalog of ams would be read from where nobody is.
      pool: () => ({ primary: { region: 'ams', connectionString: nowhere }, catalog: false, promotionWaitMillis: 0 }),
    })
    for (const from of ['ams', 'nrt'] as const) {
      const started = performance.now()
      const response = await stage.fetch(from, '/write', { method: 'POST', body: 'unreachable' })
      expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1'])
      expect(performance.now() - started).toBeLessThan(2000)
    }
    expect(await (await stage.fetch('nrt', '/read')).json()).toMatchObject({ who: 'nrt' })
  })

  it('a replica that is gone: reads of that region are replayed', async () => {
    await using stage = await open({
      pool: (region) => ({ replicas: [{ region, connectionString: 'postgres://postgres@127.0.0.1:1/postgres' }] }),
    })
    expect(await (await stage.fetch('nrt', '/read')).json()).toMatchObject({ who: 'primary' })
    expect((await stage.way()).hops.map((hop) => hop.region)).toEqual(['nrt', 'ams'])
  })

  it('P5: a replica that was gone teaches nothing: once it is back, reads are answered there again', async () => {
    await using stage = await Stage.open({
      startApp: (instance) => startApp(instance, { attempts, earlyReplay: true }),
    })
    const [replica] = stage.world.cluster.replicas
    await replica?.stop('immediate')
    for (let n = 0; n < 4; n += 1) expect((await stage.fetch('nrt', '/read')).status).toBe(200)
    await replica?.start()
    const who = async () => ((await (await stage.fetch('nrt', '/read')).json()) as { who: string }).who
    await expect.poll(who, { timeout: 10_000, interval: 100 }).toBe('nrt')
  })

  it('P5: early replay runs no handler in nrt', async () => {
    await using stage = await Stage.open({
      startApp: (instance) => startApp(instance, { attempts, earlyReplay: true }),
    })
    attempts.take()
    expect((await stage.fetch('nrt', '/write', { method: 'POST', body: 'early' })).status).toBe(200)
    expect(attempts.take()).toEqual(['ams'])
    expect(await stage.notes('early')).toEqual(['ams'])
  })
})
