import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { covers, parseCachePrefix, ReplayCache } from '../src/world/replay-cache.ts'
import { ask, type Handler, startMachine, startProxy } from './support/world.ts'

const never = (): undefined => undefined
const replayWith =
  (headers: Record<string, string>): Handler =>
  (_seen, response) =>
    response.writeHead(409, headers).end()
const cacheHeaders = { 'fly-replay': 'region=ams', 'fly-replay-cache': '/p/*', 'fly-replay-cache-ttl-secs': '60' }

const world = async (headers: Record<string, string>, options = {}, home?: Handler) => {
  const local = await startMachine('local@nrt', replayWith(headers))
  const target = await startMachine('home@ams', home)
  const running = await startProxy([local, target], options)
  const { url } = running.proxy.edge('nrt')
  return { local, home: target, ...running, get: (path: string, more = {}) => ask(url, { path, headers: more }) }
}

describe('1.7: replay cache', () => {
  it.each(['/api', '/api/', '/api/*', 'edge.example/api', 'edge.example/api/*'])(
    'fly E1, 1.7: a session rule for %s covers /api and what is below, on its host, and not /apiary',
    async (pathPrefix) => {
      const local = await startMachine('local@nrt', replayWith({ 'fly-replay': 'region=ams' }))
      const home = await startMachine('home@ams')
      const replayCache = [{ pathPrefix, ttlSeconds: 60, type: 'cookie', name: 'id' }] as const
      const machines = [local, home].map(({ url }, at) => ({
        id: at === 0 ? 'local' : 'home',
        region: at === 0 ? 'nrt' : 'ams',
        url,
      }))
      const { proxy } = await startProxy([], { apps: [{ name: 'app', machines, replayCache }] })
      const get = async (path: string, host: string) => {
        await ask(proxy.edge('nrt').url, { path, headers: { host, cookie: 'id=1' } })
        return home.seen.at(-1)?.headers['fly-replay-cache-status']
      }
      expect(await get('/api/x', 'edge.example')).toBe('miss')
      expect(await get('/api/x', 'edge.example')).toBe('hit')
      expect(await get('/api', 'edge.example')).toBe('hit')
      expect(await get('/apiary', 'edge.example')).toBe('miss')
      expect(await get('/apiary', 'edge.example')).toBe('miss')
      expect(await get('/api/x', 'other.example')).toBe('miss')
    },
  )

  it('fly E5, 1.7: what a session rule does with a replay that has state is an option, and is logged', async () => {
    const outcome = async (sessionCacheUnfit: 'ignore' | 'store' | 'reject') => {
      const local = await startMachine('local@nrt', replayWith({ 'fly-replay': 'region=ams;state=s;timeout=10s' }))
      const home = await startMachine('home@ams')
      const replayCache = [{ pathPrefix: '/', ttlSeconds: 60, type: 'header', name: 'x-id' }] as const
      const machines = [
        { id: 'local', region: 'nrt', url: local.url },
        { id: 'home', region: 'ams', url: home.url },
      ]
      const { proxy, logs } = await startProxy([], {
        apps: [{ name: 'app', machines, replayCache }],
        sessionCacheUnfit,
      })
      const headers = { 'x-id': '1' }
      await ask(proxy.edge('nrt').url, { headers })
      await ask(proxy.edge('nrt').url, { headers })
      return [home.seen.map((seen) => seen.headers['fly-replay-cache-status']), logs.length]
    }
    expect(await outcome('ignore')).toEqual([['miss', 'miss'], 2])
    expect(await outcome('store')).toEqual([['miss', 'hit'], 0])
    expect(await outcome('reject')).toEqual([[], 2])
  })

  it('1.7: fly-replay-cache on the replay answer: later requests of the path go straight there, with status hit and no fly-replay-src', async () => {
    const { get, local, home, requestEvent } = await world(cacheHeaders)
    await get('/p/1')
    await get('/p/2?x')
    expect(local.seen).toHaveLength(1)
    expect(home.seen.map(({ headers }) => headers['fly-replay-cache-status'])).toEqual(['miss', 'hit'])
    expect(home.seen[1]?.headers).not.toHaveProperty('fly-replay-src')
    expect((await requestEvent(1)).hops).toMatchObject([{ purpose: 'cached', machine: 'home' }])
  })

  it('1.7: other paths and hosts are not covered', async () => {
    const { get, local } = await world(cacheHeaders)
    await get('/p/1')
    await get('/q')
    await get('/p/1', { host: 'other.example' })
    expect(local.seen).toHaveLength(3)
  })

  it('1.7: allow-bypass: yes and fly-replay-cache-control: skip', async () => {
    const open = await world({ ...cacheHeaders, 'fly-replay-cache-allow-bypass': 'yes' })
    await open.get('/p/1')
    await open.get('/p/1', { 'fly-replay-cache-control': 'skip' })
    expect(open.local.seen).toHaveLength(2)
    expect(open.home.seen[1]?.headers['fly-replay-cache-status']).toBe('bypass')
    const closed = await world(cacheHeaders)
    await closed.get('/p/1')
    await closed.get('/p/1', { 'fly-replay-cache-control': 'skip' })
    expect(closed.local.seen).toHaveLength(1)
  })

  it('1.7: invalidate: the target replays back with fly-replay-cache: invalidate', async () => {
    let isDone = false
    const { get, local } = await world(cacheHeaders, {}, (_seen, response) => {
      if (isDone) response.end('home')
      else response.writeHead(409, { 'fly-replay': 'instance=local', 'fly-replay-cache': 'invalidate' }).end()
      isDone = true
    })
    local.server.removeAllListeners('request')
    const statuses: unknown[] = []
    local.server.on('request', (request, response) => {
      statuses.push(request.headers['fly-replay-src'])
      if (request.headers['fly-replay-src']) response.end('back home')
      else response.writeHead(409, cacheHeaders).end()
    })
    expect((await get('/p/1')).body).toBe('back home')
    expect((await get('/p/1')).body).toBe('home')
    expect(statuses).toHaveLength(3)
  })

  it.each([
    ['state', { ...cacheHeaders, 'fly-replay': 'region=ams;state=s' }],
    ['timeout', { ...cacheHeaders, 'fly-replay': 'region=ams;timeout=1s' }],
    ['fallback', { ...cacheHeaders, 'fly-replay': 'region=ams;fallback=force_self' }],
    ['a ttl under 10', { ...cacheHeaders, 'fly-replay-cache-ttl-secs': '9' }],
    ['a path that does not match the current request', { ...cacheHeaders, 'fly-replay-cache': '/q/*' }],
    ['another host', { ...cacheHeaders, 'fly-replay-cache': 'other.example/p/*' }],
  ])(
    '1.7: not with %s: replayed, not remembered, logged; invalidCache "reject" makes it PA03',
    async (_what, headers) => {
      const lax = await world(headers)
      expect((await lax.get('/p/1')).body).toBe('home')
      await lax.get('/p/1')
      expect(lax.local.seen).toHaveLength(2)
      expect(lax.logs[0]?.message).toMatch(/cache/)
      const strict = await world(headers, { invalidCache: 'reject' })
      expect((await strict.get('/p/1')).status).toBe(502)
      expect(strict.logs).toMatchObject([{ code: 'PA03' }])
    },
  )

  it('1.7: one step only: the second replay of a request is not remembered', async () => {
    const first = await startMachine('first@nrt', replayWith({ 'fly-replay': 'instance=second' }))
    const second = await startMachine('second@nrt', replayWith({ ...cacheHeaders, 'fly-replay': 'instance=third' }))
    const third = await startMachine('third@nrt')
    const { proxy } = await startProxy([first, second, third])
    const get = () => ask(proxy.edge('nrt').url, { path: '/p/1', headers: { 'fly-force-instance-id': 'first' } })
    expect((await get()).body).toBe('third')
    await get()
    expect(first.seen).toHaveLength(2)
  })

  it('1.7: an optimisation, not a guarantee: a remembered target that is gone is forgotten', async () => {
    const { get, home, local } = await world(cacheHeaders, { noCandidateWaitMillis: 100 })
    await get('/p/1')
    await home.stop()
    expect((await get('/p/1')).status).toBe(502)
    expect(local.seen).toHaveLength(2)
  })

  it('1.7: per user session: by cookie, the rule of the app with the longest path', async () => {
    const local = await startMachine('local@nrt', replayWith({ 'fly-replay': 'region=ams' }))
    const home = await startMachine('home@ams')
    const rules = [
      { pathPrefix: '/', ttlSeconds: 60, type: 'header' as const, name: 'x-never' },
      { pathPrefix: '/p/', ttlSeconds: 60, type: 'cookie' as const, name: 'sid' },
    ]
    const machines = [local, home].map(({ id, region, url }) => ({ id, region, url }))
    const { proxy } = await startProxy([], { apps: [{ name: 'app', machines, replayCache: rules }] })
    const get = (cookie: string) => ask(proxy.edge('nrt').url, { path: '/p/1', headers: { cookie } })
    await get('a=1; sid=alice')
    await get('sid=alice')
    expect(local.seen).toHaveLength(1)
    await get('sid=bob')
    await get('other=1')
    expect(local.seen).toHaveLength(3)
  })

  it('1.7: an entry ends with its ttl; the longest prefix wins; the oldest goes first when full', () => {
    vi.useFakeTimers()
    const cache = new ReplayCache(2)
    const entry = (app: string) => ({ target: { app }, allowBypass: false, expiresAt: 1000 })
    cache.store('h', '/', undefined, entry('short'))
    cache.store('h', '/p/', undefined, entry('long'))
    expect(cache.find('h', '/p/x', 0, never)?.target.app).toBe('long')
    expect(cache.find('h', '/p/x', 1000, never)).toBeUndefined()
    for (const prefix of ['/a/', '/b/', '/c/']) cache.store('h', prefix, undefined, entry(prefix))
    expect(['/a/', '/b/', '/c/'].map((path) => cache.find('h', path, 0, never)?.target.app)).toEqual([
      undefined,
      '/b/',
      '/c/',
    ])
    vi.useRealTimers()
  })

  it('1.7: the prefix: /p/* or host/p/* (no port), implicit /*', () => {
    expect(parseCachePrefix('/p/*', 'h', '/p/1')).toEqual({ host: 'h', prefix: '/p/' })
    expect(parseCachePrefix('/p', 'h', '/p')).toEqual({ host: 'h', prefix: '/p/' })
    expect(parseCachePrefix('h/p/*', 'h', '/p/1?q')).toEqual({ host: 'h', prefix: '/p/' })
    expect(parseCachePrefix('h', 'h', '/x')).toEqual({ host: 'h', prefix: '/' })
    expect(parseCachePrefix('h:80/p/*', 'h', '/p/1')).toBeUndefined()
    expect(parseCachePrefix('/p/*/q/*', 'h', '/p/1/q/')).toBeUndefined()
    expect(covers('/p/', '/pq')).toBe(false)
  })

  it('1.7: what is stored covers the request that stored it', () => {
    const segment = fc.stringMatching(/^[a-z0-9]{1,5}$/)
    fc.assert(
      fc.property(fc.array(segment, { maxLength: 4 }), fc.nat(4), (segments, keep) => {
        const path = `/${segments.join('/')}`
        const prefix = `/${segments.slice(0, keep).join('/')}`
        const place = parseCachePrefix(`${prefix}/*`.replace('//', '/'), 'h', path)
        expect(place && covers(place.prefix, path)).toBe(true)
      }),
    )
  })
})
