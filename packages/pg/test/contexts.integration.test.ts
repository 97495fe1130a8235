import { AsyncLocalStorage } from 'node:async_hooks'
import { currentScope, diagnostics, runInScope, Scope } from '@headwater/core'
import { World } from '@headwater/test-world'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'

let world: World
beforeAll(async () => {
  world = await World.start()
})
afterAll(() => world[Symbol.asyncDispose]())

/** What a logger or a tracer keeps for a request. */
const requests = new AsyncLocalStorage<string>()

/** Runs `work` as an HTTP adapter and a logger would run a request. */
const inRequest = <Result>(name: string, work: () => Promise<Result>): Promise<Result> =>
  requests.run(name, () => runInScope(new Scope(), work))

/** Where the calling code runs: in a request, or in none. */
const place = (): string => requests.getStore() ?? (currentScope() === undefined ? 'nowhere' : 'a scope')

test('R4: no scope is marked by what handles pool events, and no hook runs in a scope', async () => {
  const seen: Record<string, Set<string>> = {}
  const note = (what: string): void => {
    seen[what] ??= new Set()
    seen[what].add(place())
  }
  const pool = world.pool('ams', {
    max: 1,
    idleTimeoutMillis: 50,
    onConnect: () => note('onConnect'),
    verify: (_client: pg.PoolClient, done: (error?: Error) => void) => {
      note('verify')
      done()
    },
  })
  for (const event of ['connect', 'acquire', 'release', 'remove', 'error'] as const) pool.on(event, () => note(event))
  await inRequest('opener', async () => {
    await pool.query('select 1')
    const client = await pool.connect()
    await client.query("insert into note (body) values ('events')")
    // Whoever gives a connection back gives it to who waits.
    const waiting = inRequest('waiter', () => pool.query("insert into note (body) values ('events')"))
    client.release()
    await waiting
  })
  await expect.poll(() => Object.keys(seen)).toContain('remove')
  await inRequest('killed', async () => {
    await pool.query("insert into note (body) values ('events')")
    await world.admin.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where query like '%events%' and pid <> pg_backend_pid()`,
    )
    await expect.poll(() => Object.keys(seen)).toContain('error')
  })
  await pool.end()
  const nowhere = new Set(['nowhere'])
  const names = ['connect', 'acquire', 'release', 'remove', 'error', 'onConnect', 'verify']
  expect(seen).toEqual(Object.fromEntries(names.map((name) => [name, nowhere])))
})

test('R10: a LISTEN handler runs where it was added, whoever opened its connection or notifies', async () => {
  const pool = world.pool('ams', { max: 1 })
  // The listener takes the connection that a request has opened.
  await inRequest('opener', () => pool.query("insert into note (body) values ('opened')"))
  const listener = await pool.connect()
  const heard: string[] = []
  listener.on('notification', ({ payload }) => heard.push(`on ${payload} ${place()}`))
  await inRequest('other', async () => {
    listener.once('notification', ({ payload }) => heard.push(`once ${payload} ${place()}`))
    listener.prependListener('notification', ({ payload }) => heard.push(`first ${payload} ${place()}`))
  })
  const removed = (): number => heard.push('removed')
  listener.addListener('notification', removed).off('notification', removed)
  await listener.query('listen news')
  for (const payload of ['1', '2']) await world.admin.query('select pg_notify($1, $2)', ['news', payload])
  await expect.poll(() => heard.length).toBe(5)
  expect(heard).toEqual(['first 1 other', 'on 1 nowhere', 'once 1 other', 'first 2 other', 'on 2 nowhere'])
  expect(listener.listenerCount('notification')).toBe(2)
  listener.release()
  await pool.end()
})

test('R7: a decision is told where its query was asked for, and news of a server nowhere', async () => {
  const seen: string[] = []
  const onRoute = (): void => {
    seen.push(place())
  }
  const news: string[] = []
  const onNode = (): void => {
    news.push(place())
  }
  const pool = await world.informedPool('ams', { max: 1 })
  diagnostics.route.subscribe(onRoute)
  diagnostics.node.subscribe(onNode)
  try {
    await inRequest('opener', () => pool.query('select 1'))
    await inRequest('a', async () => {
      const client = await pool.connect()
      // The second waits in the lease for the first, and was asked for elsewhere.
      await Promise.all([client.query('select 1'), inRequest('b', () => client.query('select 2'))])
      client.release()
    })
    expect(seen).toEqual(['opener', 'a', 'b'])
    const lost = new pg.Pool({ connectionString: world.replica().url, max: 1 })
    await lost.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()`,
    )
    await lost.end()
    await inRequest('c', () => pool.query('select 3'))
    await expect.poll(() => news.length).toBeGreaterThan(0)
    expect(new Set(news)).toEqual(new Set(['nowhere']))
  } finally {
    diagnostics.route.unsubscribe(onRoute)
    diagnostics.node.unsubscribe(onNode)
    await pool.end()
  }
})

test("R10: pg.Query, its events and its callback run where it was sent, and a row's handler too", async () => {
  const pool = world.pool('ams', { max: 1 })
  await inRequest('opener', () => pool.query('select 1'))
  const seen: string[] = []
  await inRequest('sender', async () => {
    const query = new pg.Query('select n from generate_series(1, 2) n')
    pool.query(query)
    query.on('row', () => seen.push(`row ${place()}`))
    await new Promise<void>((resolve, reject) => {
      query.on('error', reject).on('end', () => {
        seen.push(`end ${place()}`)
        resolve()
      })
    })
  })
  expect(seen).toEqual(['row sender', 'row sender', 'end sender'])
  await pool.end()
})
