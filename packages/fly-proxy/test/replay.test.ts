import { describe, expect, it } from 'vitest'
import type { FlyProxyOptions } from '../src/options/options.ts'
import { ask, type Handler, type Reply, replaying, startMachine, startProxy } from './support/world.ts'

const localAndHome = async (handler: Handler, options = {}) => {
  const local = await startMachine('local@nrt', handler)
  const home = await startMachine('home@ams')
  const world = await startProxy([local, home], options)
  return { local, home, ...world, url: world.proxy.edge('nrt').url }
}

describe('1: the proxy drops that answer and sends the original request to another machine', () => {
  it('1: the client sees one response; method, path, query, headers and body are the original ones', async () => {
    const { local, home, url } = await localAndHome(
      replaying({ 'fly-replay': 'region=ams', 'x-secret': 'no' }, 'dropped'),
    )
    const reply = await ask(url, {
      method: 'PATCH',
      path: '/a%20b?x=1&y=%2F',
      headers: { 'X-Own': 'v', cookie: 'a=1' },
      body: 'hello',
    })
    expect(reply).toMatchObject({ status: 200, body: 'home' })
    expect(reply.headers).not.toHaveProperty('x-secret')
    expect(reply.headers).not.toHaveProperty('fly-replay')
    expect(local.seen).toHaveLength(1)
    expect(home.seen).toMatchObject([
      { method: 'PATCH', url: '/a%20b?x=1&y=%2F', body: 'hello', headers: { 'x-own': 'v', cookie: 'a=1' } },
    ])
  })

  it.each([200, 204, 302, 307, 409, 421, 500])('1.3: the status does not matter: %i', async (status) => {
    const { url } = await localAndHome((_seen, response) =>
      response.writeHead(status, { 'FLY-Replay': 'region=ams' }).end(),
    )
    expect(await ask(url)).toMatchObject({ status: 200, body: 'home' })
  })

  it('1.3: other headers of the replay answer, Set-Cookie included, are discarded; keepSetCookie keeps it', async () => {
    const handler = replaying({ 'fly-replay': 'region=ams', 'set-cookie': 'a=1' })
    expect((await ask((await localAndHome(handler)).url)).headers).not.toHaveProperty('set-cookie')
    const { url } = await localAndHome(handler, { keepSetCookie: true })
    expect((await ask(url)).headers['set-cookie']).toEqual(['a=1'])
  })

  it('1.3: decision is on response headers: an answer that streams is the answer, and arrives as it is written', async () => {
    const parts: string[] = []
    let goOn = (): void => {}
    const { url } = await localAndHome((_seen, response) => {
      response.write('first')
      goOn = () => response.end('second')
    })
    const response = await fetch(url)
    for await (const chunk of response.body ?? []) {
      parts.push(Buffer.from(chunk).toString())
      // Before this it would wait for ever.
      goOn()
    }
    expect(parts).toEqual(['first', 'second'])
  })

  it('1.10.4: an ordinary 409 is an answer', async () => {
    const { home, url } = await localAndHome((_seen, response) => response.writeHead(409).end('conflict'))
    expect(await ask(url)).toMatchObject({ status: 409, body: 'conflict' })
    expect(home.seen).toHaveLength(0)
  })

  it('1.10.8: the final response has via: 1.1 fly.io, 1.1 fly.io', async () => {
    const { url } = await localAndHome(replaying({ 'fly-replay': 'region=ams' }))
    const reply = await ask(url)
    expect(reply.headers.via).toBe('1.1 fly.io, 1.1 fly.io')
    expect(reply.headers['fly-request-id']).toMatch(/^[0-9A-HJKMNP-TV-Z]{26}-nrt$/)
    expect(reply.headers['server']).toBe('Fly/emulator')
  })

  it('1.6: response.pristine suppresses the added response headers', async () => {
    const { url } = await localAndHome(replaying({ 'fly-replay': 'region=ams' }), { isPristine: true })
    const { headers } = await ask(url)
    for (const name of ['via', 'server', 'fly-request-id']) expect(headers).not.toHaveProperty(name)
  })

  it.each([
    ['POST', { 'content-length': '0' }],
    ['POST', {}],
    ['GET', { 'content-length': '0' }],
    ['DELETE', {}],
    ['PROPFIND', {}],
  ])('1: a %s without a body (%j) is replayed without one', async (method, headers) => {
    const { home, url } = await localAndHome(replaying({ 'fly-replay': 'region=ams' }))
    expect((await ask(url, { method, headers: headers as Record<string, string> })).body).toBe('home')
    expect(home.seen).toMatchObject([{ method, body: '' }])
    expect(home.seen[0]?.headers['content-length'] ?? '0').toBe('0')
  })

  it('1: a DELETE with a body keeps it', async () => {
    const { home, url } = await localAndHome(replaying({ 'fly-replay': 'region=ams' }))
    expect((await ask(url, { method: 'DELETE', headers: { 'content-length': '4' }, body: 'gone' })).body).toBe('home')
    expect(home.seen).toMatchObject([{ method: 'DELETE', body: 'gone' }])
  })

  it('1: concurrent requests keep to themselves', async () => {
    const { url, home } = await localAndHome(replaying({ 'fly-replay': 'region=ams' }))
    home.server.removeAllListeners('request')
    home.server.on('request', (request, response) => request.pipe(response))
    const bodies = Array.from({ length: 40 }, (_, i) => `body ${i} `.repeat(i * 40 + 1))
    const replies = await Promise.all(bodies.map((body) => ask(url, { method: 'POST', body })))
    expect(replies.map(({ body }) => body)).toEqual(bodies)
  })
})

describe('1.4: request headers added by the proxy', () => {
  it('1.4: fly-replay-src carries instance, region, t in µs, and the state echoed', async () => {
    const { home, url } = await localAndHome(replaying({ 'fly-replay': 'region=ams;state=captured_write' }))
    const before = Date.now() * 1000
    await ask(url)
    const source = String(home.seen[0]?.headers['fly-replay-src'])
    const [, t] = /^instance=local;region=nrt;t=(\d+);state=captured_write$/.exec(source) ?? []
    expect(Number(t)).toBeGreaterThanOrEqual(before)
    expect(Number(t)).toBeLessThanOrEqual(Date.now() * 1000)
    expect(home.seen[0]?.headers['fly-replay-cache-status']).toBe('miss')
  })

  it('1.1: state is opaque: a quoted one comes back quoted', async () => {
    const { home, url } = await localAndHome(replaying({ 'fly-replay': 'region=ams;state="a b;c=\\"d\\""' }))
    await ask(url)
    expect(home.seen[0]?.headers['fly-replay-src']).toMatch(/;state="a b;c=\\"d\\""$/)
  })

  it('1.4: without a state there is none', async () => {
    const { home, url } = await localAndHome(replaying({ 'fly-replay': 'region=ams' }))
    await ask(url)
    expect(home.seen[0]?.headers['fly-replay-src']).toMatch(/^instance=local;region=nrt;t=\d+$/)
  })

  it.each([
    ['replace', 'second'],
    ['keep-first', 'first'],
  ] as const)('1.4: second hop: replaySrc %s', async (replaySrc, sender) => {
    const first = await startMachine('first@nrt', (_seen, response) =>
      response.writeHead(409, { 'fly-replay': 'instance=second;state=1' }).end(),
    )
    const second = await startMachine('second@ord', (_seen, response) =>
      response.writeHead(409, { 'fly-replay': 'instance=third;state=2' }).end(),
    )
    const third = await startMachine('third@ams')
    const { proxy } = await startProxy([first, second, third], { replaySrc })
    expect((await ask(proxy.edge('nrt').url)).body).toBe('third')
    expect(third.seen[0]?.headers['fly-replay-src']).toMatch(new RegExp(`^instance=${sender};`))
  })

  it.each(['fly-replay-src', 'fly-replay-failed', 'fly-replay-cache-status', 'fly-preferred-instance-unavailable'])(
    '1.4: a client-sent %s is stripped; trustClientHeaders lets it through',
    async (name) => {
      const { local, url } = await localAndHome((_seen, response) => response.end())
      await ask(url, { headers: { [name]: 'instance=x;region=ams;t=1' } })
      expect(local.seen[0]?.headers).not.toHaveProperty(name)
      const trusting = await localAndHome((_seen, response) => response.end(), { trustClientHeaders: true })
      await ask(trusting.url, { headers: { [name]: 'instance=x;region=ams;t=1' } })
      expect(trusting.local.seen[0]?.headers[name]).toBe('instance=x;region=ams;t=1')
    },
  )

  it('1.6: Fly-Client-IP, Fly-Region (edge), X-Forwarded-* and Via are added, forged ones replaced', async () => {
    const { local, proxy, url } = await localAndHome((_seen, response) => response.end(), { scheme: 'https' })
    await ask(url, {
      headers: {
        'fly-client-ip': '6.6.6.6',
        'fly-region': 'xxx',
        'x-forwarded-for': '9.9.9.9',
        'x-forwarded-proto': 'gopher',
        via: '1.0 fred',
      },
    })
    const port = String(proxy.edge('nrt').port)
    expect(local.seen[0]?.headers).toMatchObject({
      ...{ 'fly-client-ip': '127.0.0.1', 'fly-region': 'nrt', 'fly-forwarded-port': port, 'x-forwarded-port': port },
      ...{ 'x-forwarded-for': '9.9.9.9, 127.0.0.1, 127.0.0.1', 'x-forwarded-proto': 'https', 'x-forwarded-ssl': 'on' },
      ...{ via: '1.0 fred, 1.1 fly.io', 'fly-forwarded-proto': 'https' },
    })
    expect(local.seen[0]?.headers['fly-request-id']).toMatch(/-nrt$/)
    expect(local.seen[0]?.headers['fly-dispatch-start']).toMatch(/^t=\d{16};instance=local$/)
  })

  it('1.6: Fly-Region is the edge region, unlike the machine’s', async () => {
    const { home, url } = await localAndHome(replaying({ 'fly-replay': 'region=ams' }))
    await ask(url)
    expect(home.seen[0]?.headers['fly-region']).toBe('nrt')
  })

  it('hop-by-hop headers, and those that Connection lists, end at the proxy', async () => {
    const { local, url } = await localAndHome((_seen, response) => response.end())
    await ask(url, { headers: { connection: 'close, x-mine', 'x-mine': '1', te: 'trailers', 'x-other': '2' } })
    expect(local.seen[0]?.headers).not.toHaveProperty('x-mine')
    expect(local.seen[0]?.headers).not.toHaveProperty('te')
    expect(local.seen[0]?.headers).toHaveProperty('x-other', '2')
  })
})

describe('1.2: JSON form', () => {
  const json = (value: unknown): Handler =>
    replaying({ 'content-type': 'application/vnd.fly.replay+json; v=1' }, JSON.stringify(value))

  it('1.2: transform.path rewrites path and query; set_headers overwrites; delete_headers', async () => {
    const transform = { path: '/new?x=1', delete_headers: ['Cookie'], set_headers: [{ name: 'X-A', value: 'b' }] }
    const { home, url } = await localAndHome(json({ region: 'ams', state: 's', transform }))
    const headers = { cookie: 'a=1', 'x-a': 'old', authorization: 'Bearer t' }
    const reply = await ask(url, { method: 'POST', path: '/old', headers, body: 'kept' })
    expect(reply.body).toBe('home')
    const [seen] = home.seen
    expect(seen).toMatchObject({
      method: 'POST',
      url: '/new?x=1',
      body: 'kept',
      headers: { 'x-a': 'b', authorization: 'Bearer t' },
    })
    expect(seen?.headers).not.toHaveProperty('cookie')
    expect(seen?.headers['fly-replay-src']).toMatch(/;state=s$/)
  })

  it('1.2: a transform cannot break the framing of the request', async () => {
    const set_headers = [
      { name: 'Content-Length', value: '1' },
      { name: 'Transfer-Encoding', value: 'chunked' },
      { name: 'Connection', value: 'close' },
    ]
    const { home, url } = await localAndHome(
      json({ region: 'ams', transform: { set_headers, delete_headers: ['content-length'] } }),
    )
    expect((await ask(url, { method: 'POST', body: 'whole' })).body).toBe('home')
    expect(home.seen).toMatchObject([{ body: 'whole', headers: { 'content-length': '5' } }])
  })

  it('1.10.5: a body that is no JSON, too long or compressed is PA03', async () => {
    for (const [body, more] of [
      ['{', {}],
      [`"${'x'.repeat(70_000)}"`, {}],
      ['{"region":"ams"}', { 'content-encoding': 'gzip' }],
    ] as const) {
      const { url, logs } = await localAndHome(
        replaying({ 'content-type': 'application/vnd.fly.replay+json', ...more }, body),
      )
      expect((await ask(url)).status).toBe(502)
      expect(logs).toMatchObject([{ code: 'PA03' }])
    }
  })
})

describe('1.8: limits', () => {
  const counting = (times: number): Handler => {
    let replays = 0
    return (_seen, response) => {
      replays += 1
      if (replays > times) response.end(`after ${times}`)
      else response.writeHead(409, { 'fly-replay': 'region=nrt' }).end()
    }
  }
  const isEmpty502 = (reply: Reply): void => {
    expect(reply).toMatchObject({ status: 502, body: '' })
    expect(reply.headers['content-length']).toBe('0')
  }

  it('1.8: 10 replays are served, more than 10 are PA02: 502 empty', async () => {
    const ten = await startProxy([await startMachine('local@nrt', counting(10))])
    expect((await ask(ten.proxy.edge('nrt').url)).body).toBe('after 10')
    const machine = await startMachine('local@nrt', counting(11))
    const eleven = await startProxy([machine])
    isEmpty502(await ask(eleven.proxy.edge('nrt').url))
    expect(machine.seen).toHaveLength(11)
    expect(eleven.logs).toMatchObject([{ code: 'PA02', app: 'app' }])
    expect(await eleven.requestEvent()).toMatchObject({ errorCode: 'PA02', replays: 10, status: 502 })
  })

  it('1.8: invalid fly-replay is PA03: 502 empty, details only in the log', async () => {
    const { url, logs, home } = await localAndHome(replaying({ 'fly-replay': 'region=iad,ams' }))
    isEmpty502(await ask(url))
    expect(logs).toMatchObject([{ code: 'PA03', app: 'app', message: expect.stringContaining('double quotes') }])
    expect(home.seen).toHaveLength(0)
  })

  it('1.10.5: unknown key: reject by default, ignore as an option', async () => {
    const handler = replaying({ 'fly-replay': 'region=ams;colour=red' })
    isEmpty502(await ask((await localAndHome(handler)).url))
    expect((await ask((await localAndHome(handler, { unknownFields: 'ignore' })).url)).body).toBe('home')
  })

  it('1.9: fly-replay-delete-header left the docs: ignored', async () => {
    const { url, home } = await localAndHome(
      replaying({ 'fly-replay': 'region=ams', 'fly-replay-delete-header': 'cookie' }),
    )
    await ask(url, { headers: { cookie: 'a=1' } })
    expect(home.seen[0]?.headers.cookie).toBe('a=1')
  })

  it('1.8: a body at the limit is replayed, one byte more is PA01 and 502', async () => {
    const limit = 1_048_576
    const { url, home, logs } = await localAndHome(replaying({ 'fly-replay': 'region=ams' }))
    expect((await ask(url, { method: 'POST', body: Buffer.alloc(limit, 'x') })).body).toBe('home')
    expect(home.seen[0]?.body).toHaveLength(limit)
    isEmpty502(await ask(url, { method: 'POST', body: Buffer.alloc(limit + 1, 'x') }))
    expect(logs).toMatchObject([{ code: 'PA01' }])
    expect(home.seen).toHaveLength(1)
  })

  it('1.8: a body over the limit streams on, whole, to a machine that answers', async () => {
    const body = Buffer.alloc(3_000_000, 'y')
    for (const headers of [{}, { 'transfer-encoding': 'chunked' }]) {
      const { url, local } = await localAndHome((seen, response) => response.end(String(seen.body.length)), {
        bufferLimit: 1000,
      })
      expect((await ask(url, { method: 'POST', headers, body })).body).toBe('3000000')
      expect(local.seen[0]?.body).toBe(body.toString())
    }
  })

  it('1.8: a chunked body within the limit is replayed; replayChunkedBodies false refuses it as navigator does', async () => {
    const chunked = { method: 'POST', headers: { 'transfer-encoding': 'chunked' }, body: 'hello' }
    const { url, home } = await localAndHome(replaying({ 'fly-replay': 'region=ams' }))
    expect((await ask(url, chunked)).body).toBe('home')
    expect(home.seen[0]?.body).toBe('hello')
    const strict = await localAndHome(replaying({ 'fly-replay': 'region=ams' }), { replayChunkedBodies: false })
    isEmpty502(await ask(strict.url, chunked))
    expect(strict.logs).toMatchObject([{ code: 'PA01' }])
  })

  it('1.8: a machine that replays by the headers alone gets its request replayed with the whole body', async () => {
    const local = await startMachine('local@nrt')
    local.server.removeAllListeners('request')
    local.server.on('request', (_request, response) => response.writeHead(409, { 'fly-replay': 'region=ams' }).end())
    const home = await startMachine('home@ams')
    const { proxy } = await startProxy([local, home])
    const body = Buffer.alloc(900_000, 'z')
    expect((await ask(proxy.edge('nrt').url, { method: 'POST', body })).body).toBe('home')
    expect(home.seen[0]?.body).toBe(body.toString())
  })

  it('1.8: target app not found is PA04: 502 empty after the wait, named only in the sender’s log', async () => {
    const { url, logs } = await localAndHome(replaying({ 'fly-replay': 'app=ghost' }))
    const reply = await ask(url)
    isEmpty502(reply)
    expect(reply.ms).toBeGreaterThanOrEqual(290)
    expect(logs).toMatchObject([
      { code: 'PA04', app: 'app', message: 'app app tried to fly-replay to app ghost, which we cannot find' },
    ])
  })

  describe('fly E2, drr: between networks and organisations', () => {
    const open = async (back: object, organizations: NonNullable<FlyProxyOptions['organizations']>) => {
      const local = await startMachine('front/local@nrt', replaying({ 'fly-replay': 'app=back' }))
      const other = await startMachine('back/other@ams')
      const apps = [
        { name: 'front', machines: [{ id: 'local', region: 'nrt', url: local.url }] },
        { name: 'back', machines: [{ id: 'other', region: 'ams', url: other.url }], ...back },
      ]
      const { proxy, logs } = await startProxy([], { apps, organizations })
      return { reply: await ask(proxy.edge('nrt').url), logs }
    }

    it('1.1: app: another app of the same network', async () => {
      expect((await open({}, {})).reply.body).toBe('other')
    })

    it('1.9: two networks of one organisation: PA05, unless its switch is on', async () => {
      const apart = await open({ network: 'b' }, {})
      isEmpty502(apart.reply)
      expect(apart.logs).toMatchObject([{ code: 'PA05', message: expect.stringContaining('cross-network') }])
      const switched = await open({ network: 'b' }, { default: { crossNetworkReplays: true } })
      expect(switched.reply.body).toBe('other')
      isEmpty502((await open({ network: 'b' }, { default: { replaySources: ['default'] } })).reply)
    })

    it('1.9: two organisations: PA05 with the switch on, allowed where the target lists the source', async () => {
      const switched = await open({ organization: 'mine' }, { mine: { crossNetworkReplays: true } })
      isEmpty502(switched.reply)
      expect(switched.logs).toMatchObject([{ code: 'PA05', message: expect.stringContaining('organization default') }])
      const listed = await open({ organization: 'mine' }, { mine: { replaySources: ['default'] } })
      expect(listed.reply.body).toBe('other')
    })
  })

  it('fly E3, 1.8: a refused port is PR03, and shows the cause of the latest failure', async () => {
    const local = await startMachine('local@nrt', replaying({ 'fly-replay': 'region=ams' }))
    const gone = await startMachine('home@ams')
    const { proxy, logs } = await startProxy([local, gone])
    await new Promise((resolve) => gone.server.close(resolve))
    isEmpty502(await ask(proxy.edge('nrt').url))
    expect(logs).toMatchObject([{ code: 'PR03', message: expect.stringContaining('ECONNREFUSED') }])
  })

  it('fly E4, 1.6: X-Forwarded-Port may be set by the client; Fly-Forwarded-Port is the true one', async () => {
    const local = await startMachine('local@nrt')
    const { proxy } = await startProxy([local])
    const { url, port } = proxy.edge('nrt')
    await ask(url, { headers: { 'x-forwarded-port': '443' } })
    expect(local.seen[0]?.headers).toMatchObject({ 'x-forwarded-port': '443', 'fly-forwarded-port': String(port) })
  })

  it('1.8: no machine in target: 502 empty after the wait; errorStatus changes the status', async () => {
    const { url, logs } = await localAndHome(replaying({ 'fly-replay': 'region=gru' }), { errorStatus: 504 })
    const reply = await ask(url)
    expect(reply).toMatchObject({ status: 504, body: '' })
    expect(reply.ms).toBeGreaterThanOrEqual(290)
    expect(logs).toMatchObject([{ code: 'PR01' }])
  })
})
