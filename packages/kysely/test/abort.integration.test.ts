import { errorOf, hasPgBouncer, PgBouncer, type World } from '@headwater/test-world'
import { type AbortableQueryOptions, Kysely, sql } from 'kysely'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { HeadwaterDialect } from '../src/index.ts'
import { type App, type Database, SETTINGS, startApp, startWorld } from './world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
  // Kysely tells the console of each query that fails after its caller has gone.
  vi.spyOn(console, 'error').mockImplementation(() => undefined)
})
afterAll(() => world[Symbol.asyncDispose]())

/** How many statements with `mark` in them run on a server now. */
const running = async (url: string, mark: string): Promise<number> => {
  const client = new pg.Client(url)
  await client.connect()
  const { rows } = await client.query(
    "select count(*)::int as count from pg_stat_activity where state = 'active' and query like $1 and pid <> pg_backend_pid()",
    [`%${mark}%`],
  )
  await client.end()
  return rows[0].count
}

describe.each(SETTINGS)('abort signals of Kysely 0.29, $setting', (setting) => {
  let app: App
  beforeAll(async () => {
    app = await startApp(world, setting)
  })
  afterEach(() => expect.poll(() => app.pool.totalCount - app.pool.idleCount).toBe(0))

  const replica = () => world.replica().url
  const everywhere = async (mark: string) =>
    (await running(replica(), mark)) + (await running(world.cluster.primary.url, mark))

  const onReplica = async (text: string): Promise<unknown[]> => {
    const client = new pg.Client(replica())
    await client.connect()
    const { rows } = await client.query(text)
    await client.end()
    return rows
  }

  const asleep = (mark: string, seconds: number, options: AbortableQueryOptions) =>
    app.db
      .selectFrom('server')
      .select(['who', sql<string>`pg_sleep(${sql.lit(seconds)})`.as(mark)])
      .execute(options)

  it.each(['cancel query', 'kill session'] as const)(
    '%s: on the server that runs it; it moves to no other, and the request goes on',
    async (strategy) => {
      const mark = strategy.replace(' ', '_')
      const abort = new AbortController()
      const reason = new Error('enough')
      let session: unknown
      const after = app.run(async () => {
        const outcome = errorOf(asleep(mark, 60, { signal: abort.signal, inflightQueryAbortStrategy: strategy }))
        await expect.poll(() => running(replica(), mark)).toBe(1)
        session = (
          await onReplica(
            `select pid from pg_stat_activity where state = 'active' and query like '%pg_sleep%${mark}%' and pid <> pg_backend_pid()`,
          )
        )[0]
        abort.abort(reason)
        expect(await outcome).toBe(reason)
        await expect.poll(() => everywhere(mark)).toBe(0)
        await expect.poll(() => app.pool.totalCount - app.pool.idleCount).toBe(0)
        return app.db.selectFrom('server').select('who').execute()
      })
      expect(await after).toEqual([{ who: 'nrt' }])
      expect(session).toEqual({ pid: expect.any(Number) })
      const left = () =>
        onReplica(`select pid from pg_stat_activity where pid = ${Reflect.get(Object(session), 'pid')}`)
      if (strategy === 'kill session') await expect.poll(left).toEqual([])
      else expect(await left()).toEqual([session])
      expect(await everywhere(mark)).toBe(0)
    },
  )

  it('by default the query runs on, and the connection comes back when it ends', async () => {
    const abort = new AbortController()
    const outcome = errorOf(app.run(() => asleep('ignored', 0.5, { signal: abort.signal })))
    await expect.poll(() => running(replica(), 'ignored')).toBe(1)
    abort.abort()
    expect(await outcome).toMatchObject({ name: 'AbortError' })
    expect(await running(replica(), 'ignored')).toBe(1)
  })

  it('a signal that is already aborted sends nothing', async () => {
    const error = await errorOf(app.run(() => asleep('never', 1, { signal: AbortSignal.abort() })))
    expect(error).toMatchObject({ name: 'AbortError' })
    expect(await everywhere('never')).toBe(0)
  })

  it('a stream ends with its signal', async () => {
    const abort = new AbortController()
    const seen: number[] = []
    const error = await errorOf(
      app.run(async () => {
        const query = app.db.selectFrom(sql<{ n: number }>`generate_series(1, 1000)`.as<'n'>('n')).select('n')
        for await (const { n } of query.stream({ chunkSize: 10, signal: abort.signal })) {
          seen.push(n)
          if (n === 25) abort.abort()
        }
      }),
    )
    expect(error).toMatchObject({ name: 'AbortError' })
    expect(seen.length).toBeLessThan(1000)
    expect(await everywhere('generate_series')).toBe(0)
  })
})

describe.skipIf(!hasPgBouncer).each(['session', 'transaction'])('behind PgBouncer in %s mode', (mode) => {
  it.each(['cancel query', 'kill session'] as const)(
    'B3: %s ends the query at the server, whose process the pooler hides, and nobody else’s',
    async (strategy) => {
      const mark = `pooled_${mode}_${strategy.replace(' ', '_')}`
      await using pooler = await PgBouncer.start({ replica: world.replica() }, { pool_mode: mode })
      const url = pooler.url('replica')
      await using app = await startPooled(url)
      const other = app.db
        .selectFrom('server')
        .select(['who', sql`pg_sleep(1)`.as('other')])
        .execute()
      const abort = new AbortController()
      const query = app.db.selectFrom('server').select(['who', sql`pg_sleep(60)`.as(mark)])
      const outcome = errorOf(query.execute({ signal: abort.signal, inflightQueryAbortStrategy: strategy }))
      await expect.poll(() => running(world.replica().url, mark)).toBe(1)
      abort.abort(new Error('enough'))
      expect(await outcome).toMatchObject({ message: 'enough' })
      await expect.poll(() => running(world.replica().url, mark)).toBe(0)
      expect(await other).toMatchObject([{ who: 'nrt' }])
    },
  )

  async function startPooled(url: string) {
    const pool = await world.informedPool('nrt', { replicas: [{ region: 'nrt', connectionString: url }] })
    const db = new Kysely<Database>({ dialect: new HeadwaterDialect({ pool }) })
    return { db, [Symbol.asyncDispose]: () => pool.end() }
  }
})

describe('abort signals of Kysely 0.29', () => {
  it('a write is cancelled on the primary', async () => {
    const { db } = await startApp(world, { region: 'nrt', isRequest: false })
    const abort = new AbortController()
    const slow = db
      .insertInto('note')
      .values({ body: sql<string>`'cancelled' || pg_sleep(60)` })
      .execute({ signal: abort.signal, inflightQueryAbortStrategy: 'cancel query' })
    const outcome = errorOf(slow)
    await expect.poll(() => running(world.cluster.primary.url, 'cancelled')).toBe(1)
    abort.abort()
    expect(await outcome).toMatchObject({ name: 'AbortError' })
    await expect.poll(() => running(world.cluster.primary.url, 'cancelled')).toBe(0)
    expect(await world.notes('cancelled')).toBe(0)
  })
})
