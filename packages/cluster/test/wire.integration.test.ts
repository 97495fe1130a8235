import { once } from 'node:events'
import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Cluster, openWire, startCluster, type Wire } from '../src/index.ts'

let cluster: Cluster
let wire: Wire
const clients: pg.Client[] = []

/** A client that came through the wire; it is ended after its test. */
async function open(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: wire.url, connectionTimeoutMillis: 10_000 })
  client.on('error', () => undefined)
  clients.push(client)
  await client.connect()
  return client
}

/** What a promise has come to, or `pending` when that takes longer. */
async function within(milliseconds: number, promise: Promise<unknown>): Promise<unknown> {
  const outcome = promise.then(
    () => 'resolved',
    (error: { code?: string; message: string }) => error.code ?? error.message,
  )
  return await Promise.race([outcome, sleep(milliseconds, 'pending')])
}

const count = async (): Promise<number> =>
  (await cluster.primary.query<{ count: number }>('select count(*)::int as count from entry'))[0]?.count ?? -1
const ask = (client: pg.Client) => client.query('select 1')
const write = (client: pg.Client) => client.query('insert into entry values (1)')

beforeAll(async () => {
  cluster = await startCluster({ replicas: 1 })
  await cluster.primary.query('create table entry (id int)')
  await cluster.waitUntilCaughtUp()
})
afterAll(() => cluster.stop())
beforeEach(async () => {
  wire = await cluster.wire(cluster.primary)
  await cluster.primary.query('truncate entry')
})
afterEach(async () => {
  await wire.close()
  await Promise.all(clients.splice(0).map((client) => client.end().catch(() => undefined)))
})

describe('O6: a wire', () => {
  test('carries what is sent, large results too, and counts its connections', async () => {
    expect(wire.connections).toBe(0)
    const client = await open()
    expect(wire.connections).toBe(1)
    const { rows } = await client.query("select repeat('x', 3000000) as text")
    expect(rows[0].text).toHaveLength(3_000_000)
    await client.end()
    await expect.poll(() => wire.connections).toBe(0)
  })

  test('blackhole() loses everything silently, new connections too, until heal() resets what lost something', async () => {
    const [client, idle] = [await open(), await open()]
    wire.blackhole()
    const lost = write(client)
    const late = open()
    expect(await within(300, lost)).toBe('pending')
    expect(await within(50, late)).toBe('pending')
    await wire.heal()
    expect(await within(5000, lost)).toMatch(/ECONNRESET|terminated/)
    // It had sent nothing, so it misses nothing; and a SYN is sent again until it arrives.
    expect(await within(5000, ask(idle))).toBe('resolved')
    expect(await within(5000, late)).toBe('resolved')
    expect(await count()).toBe(0)
  })

  test("blackhole('to-client') lets the server work, and loses its answer", async () => {
    const client = await open()
    wire.blackhole('to-client')
    const lost = write(client)
    await expect.poll(count).toBe(1)
    expect(await within(100, lost)).toBe('pending')
    await wire.heal()
    expect(await within(5000, lost)).toMatch(/ECONNRESET|terminated/)
  })

  test("blackhole('to-server') loses the question", async () => {
    const client = await open()
    wire.blackhole('to-server')
    expect(
      await within(
        200,
        write(client).catch(() => undefined),
      ),
    ).toBe('pending')
    expect(await count()).toBe(0)
  })

  test('in a blackhole the server does not hear that its client has gone', async () => {
    const client = await open()
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
    const isThere = async () =>
      (await cluster.primary.query('select from pg_stat_activity where pid = $1', [rows[0]?.pid])).length === 1
    wire.blackhole()
    Reflect.get(Reflect.get(client, 'connection'), 'stream').destroy()
    await sleep(100)
    expect(await isThere()).toBe(true)
    await wire.heal()
    await expect.poll(isThere).toBe(false)
  })

  test('halfOpen() forgets the connections that are open; new ones work', async () => {
    const client = await open()
    expect(wire.halfOpen()).toBe(1)
    const lost = write(client)
    expect(await within(200, lost)).toBe('pending')
    expect(await within(5000, open().then(ask))).toBe('resolved')
    await wire.heal()
    expect(await within(5000, lost)).toMatch(/ECONNRESET|terminated/)
  })

  test('reset() resets the connections that are open; new ones work', async () => {
    const socket = net.connect(wire.port, wire.host)
    await once(socket, 'connect')
    const client = await open()
    const error = once(socket, 'error')
    expect(wire.reset()).toBe(2)
    expect(await error).toMatchObject([{ code: 'ECONNRESET' }])
    expect(await within(5000, ask(client))).not.toMatch(/resolved|pending/)
    expect(await within(5000, open().then(ask))).toBe('resolved')
  })

  test('refuse() refuses new connections, and heal() listens at the same port again', async () => {
    const client = await open()
    const { port } = wire
    await wire.refuse()
    expect(await within(5000, open())).toBe('ECONNREFUSED')
    expect(await within(5000, ask(client))).toBe('resolved')
    await wire.heal()
    expect(wire.port).toBe(port)
    expect(await within(5000, open().then(ask))).toBe('resolved')
  })

  test('pause() holds everything, new connections too, and resume() delivers all of it', async () => {
    const client = await open()
    wire.pause()
    const held = write(client)
    const late = open()
    expect(await within(200, held)).toBe('pending')
    expect(await within(50, late)).toBe('pending')
    expect(await count()).toBe(0)
    wire.resume()
    expect(await within(5000, held)).toBe('resolved')
    expect(await within(5000, late.then(ask))).toBe('resolved')
    expect(await count()).toBe(1)
  })

  test('slow() makes bytes late each way', async () => {
    const client = await open()
    wire.slow({ latencyMillis: 60 })
    const startedAt = performance.now()
    await ask(client)
    expect(performance.now() - startedAt).toBeGreaterThan(115)
    await wire.heal()
    const healedAt = performance.now()
    for (let times = 0; times < 20; times += 1) await ask(client)
    expect(performance.now() - healedAt).toBeLessThan(1200)
  })

  test('slow() limits the bandwidth, and keeps the order of the bytes', async () => {
    const client = await open()
    wire.slow({ bytesPerSecond: 200_000 })
    const startedAt = performance.now()
    const { rows } = await client.query("select string_agg(n::text, ',') as text from generate_series(1, 12000) n")
    expect(performance.now() - startedAt).toBeGreaterThan(200)
    expect(rows[0].text).toBe(Array.from({ length: 12_000 }, (_, n) => n + 1).join(','))
    await wire.heal()
    expect(await within(5000, ask(client))).toBe('resolved')
  })

  test.each(['reset', 'end', 'silence'] as const)(
    'cut() behind a COMMIT: it stands, and its answer is lost (%s)',
    async (how) => {
      const client = await open()
      wire.cut({ at: /commit/i, side: 'behind', how, times: 1 })
      await client.query('begin')
      await write(client)
      const lost = client.query('commit')
      const outcome = await within(how === 'silence' ? 300 : 5000, lost)
      expect(outcome).toMatch({ reset: /ECONNRESET|terminated/, end: /terminated/, silence: /pending/ }[how])
      await expect.poll(count).toBe(1)
      expect(wire.cuts).toBe(1)
      // Once was asked for.
      const next = await open()
      await next.query('begin')
      expect(await within(5000, next.query('commit'))).toBe('resolved')
    },
  )

  test('cut() before a COMMIT: it never happened', async () => {
    const client = await open()
    wire.cut({ at: /commit/i, side: 'before' })
    await client.query('begin')
    await write(client)
    expect(await within(5000, client.query('commit'))).toMatch(/ECONNRESET|terminated/)
    await expect
      .poll(() => cluster.primary.query("select from pg_stat_activity where query = 'insert into entry values (1)'"))
      .toEqual([])
    expect(await count()).toBe(0)
    expect(wire.cuts).toBe(1)
  })

  test('cut() finds a text that two packets share, once', async () => {
    await using echo = await startEcho()
    await using other = await openWire(echo)
    other.cut({ at: /COMMIT/g, side: 'before', how: 'end' })
    const socket = net.connect(other.port, other.host)
    const heard: string[] = []
    socket.on('data', (chunk: Buffer) => heard.push(chunk.toString()))
    socket.write('one COM')
    await expect.poll(() => heard.join('')).toBe('one COM')
    socket.write('MIT two')
    await once(socket, 'end')
    expect([heard.join(''), other.cuts]).toEqual(['one COM', 1])
    socket.destroy()
  })

  test('cut() after some bytes lets exactly so many pass', async () => {
    await using echo = await startEcho()
    await using other = await openWire(echo)
    const socket = net.connect(other.port, other.host)
    const heard: string[] = []
    socket.on('data', (chunk: Buffer) => heard.push(chunk.toString()))
    socket.write('ab')
    await expect.poll(() => heard.join('')).toBe('ab')
    other.cut({ afterBytes: 3, how: 'end' })
    socket.write('cdefgh')
    await once(socket, 'end')
    expect(heard.join('')).toBe('abcde')
    socket.destroy()
  })

  test('lead() takes new connections to another server', async () => {
    const before = await open()
    const [replica] = cluster.replicas
    if (replica === undefined) throw new Error('A replica was asked for')
    wire.lead(replica)
    const who = async (client: pg.Client) => (await client.query("select current_setting('cluster_name') as name")).rows
    expect(await who(await open())).toEqual([{ name: 'replica-1' }])
    expect(await who(before)).toEqual([{ name: 'primary' }])
  })

  test('tells an end as an end and a reset as a reset, both ways', async () => {
    const ends: string[] = []
    await using server = await startServer((socket) => {
      socket.on('error', (error: NodeJS.ErrnoException) => ends.push(String(error.code)))
      socket.on('end', () => {
        ends.push('end')
        // Half-closed: it may still answer.
        socket.end('bye')
      })
      socket.resume()
    })
    await using other = await openWire(server)
    const polite = net.connect({ port: other.port, allowHalfOpen: true })
    await once(polite, 'connect')
    polite.end()
    expect(String(await once(polite, 'data'))).toBe('bye')
    const rude = net.connect(other.port)
    await once(rude, 'connect')
    await expect.poll(() => other.connections).toBeGreaterThan(0)
    rude.write('x')
    await sleep(50)
    rude.resetAndDestroy()
    await expect.poll(() => ends).toEqual(['end', 'ECONNRESET'])
  })

  test('resets who comes while its server is down', async () => {
    await using other = await openWire({ host: '127.0.0.1', port: await closedPort() })
    const socket = net.connect(other.port)
    expect(await once(socket, 'error')).toMatchObject([{ code: 'ECONNRESET' }])
    await expect.poll(() => other.connections).toBe(0)
  })

  test.each([
    { latencyMillis: -1 },
    { latencyMillis: Number.NaN },
    { bytesPerSecond: 0 },
    { bytesPerSecond: Number.NaN },
  ])('slow() refuses %o', (slowness) => {
    expect(() => wire.slow(slowness)).toThrow(expect.objectContaining({ code: 'CLUSTER_OPTIONS_INVALID' }))
  })

  test('leads nowhere but to a host and a port', async () => {
    const nowhere = { code: 'CLUSTER_OPTIONS_INVALID', message: expect.stringContaining('127.0.0.1:0') }
    await expect(openWire({ host: '127.0.0.1', port: 0 })).rejects.toMatchObject(nowhere)
    expect(() => wire.lead({ host: '127.0.0.1', port: 0 })).toThrow(expect.objectContaining(nowhere))
  })

  test('cut() refuses nonsense', () => {
    for (const cut of [
      { afterBytes: -1 },
      { afterBytes: 0.5 },
      { afterBytes: 1, times: 0 },
      { at: /x/, side: 'before', how: 'gently' as 'end' },
    ] as const) {
      expect(() => wire.cut(cut)).toThrow(expect.objectContaining({ code: 'CLUSTER_OPTIONS_INVALID' }))
    }
  })

  test('X5: close() leaves nothing behind, whatever fault is in force, and may be called again', async () => {
    const faults: readonly ((one: Wire) => unknown)[] = [
      (one) => one.blackhole(),
      (one) => one.pause(),
      (one) => one.halfOpen(),
      (one) => one.refuse(),
      (one) => one.slow({ latencyMillis: 60_000, bytesPerSecond: 1 }),
    ]
    for (const fault of faults) {
      const one = await cluster.wire(cluster.primary)
      const client = new pg.Client({ connectionString: one.url })
      client.on('error', () => undefined)
      await client.connect()
      await fault(one)
      const lost = ask(client)
      await one.close()
      await one.close()
      expect(await within(5000, lost)).not.toMatch(/resolved|pending/)
      await expect.poll(() => one.connections).toBe(0)
      await client.end().catch(() => undefined)
    }
  })

  test('X5: a stopped cluster has closed its wires, and opens no more', async () => {
    const short = await startCluster({ replicas: 0 })
    const own = await short.wire(short.primary)
    const client = new pg.Client({ connectionString: own.url })
    const isLost = new Promise((resolve) => client.on('error', resolve))
    await client.connect()
    await short.stop()
    await isLost
    await expect(short.wire({ host: '127.0.0.1', port: 1 })).rejects.toMatchObject({ code: 'CLUSTER_STOPPED' })
    const late = net.connect(own.port)
    expect(await once(late, 'error')).toMatchObject([{ code: 'ECONNREFUSED' }])
  })
})

interface TestServer extends AsyncDisposable {
  readonly host: string
  readonly port: number
}

async function startServer(talk: (socket: net.Socket) => void): Promise<TestServer> {
  const sockets = new Set<net.Socket>()
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    talk(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('No port')
  return {
    host: '127.0.0.1',
    port: address.port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

const startEcho = (): Promise<TestServer> => startServer((socket) => socket.on('error', () => undefined).pipe(socket))

async function closedPort(): Promise<number> {
  await using server = await startServer(() => undefined)
  return server.port
}
