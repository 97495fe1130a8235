import { ReplayToPrimary, runInScope, Scope, withReplica } from '@headwater/core'
import { hasPgBouncer, inRequest, PgBouncer, pgBouncers, untilCatalogIsRead, WHO, World } from '@headwater/test-world'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RoutedPool, RoutedPoolOptions } from '../src/index.ts'
import type { ReplicaOptions } from '../src/options/server-options.ts'

let world: World
const warnings: Error[] = []
const hear = (warning: Error): void => {
  if (Reflect.get(warning, 'code') === 'HEADWATER_POOLER_FOUND') warnings.push(warning)
}

beforeAll(async () => {
  process.on('warning', hear)
  world = await World.start({ replicas: ['nrt', 'nrt-2'] })
})
afterAll(async () => {
  process.off('warning', hear)
  await world[Symbol.asyncDispose]()
})

const node = (index: number) => world.replica(index)

/** Where a function runs that nobody can see into. */
const TRY = (body: string) => `select write_note('${body}')`

const MODES = ['session', 'transaction'] as const
const CONFIGURATIONS = {
  'default configuration': {},
  'options ignored': { ignore_startup_parameters: 'options' },
} as const
const poolers = pgBouncers.flatMap((command) =>
  MODES.flatMap((mode) =>
    Object.entries(CONFIGURATIONS).map(([name, settings]) => ({
      version: command.version,
      command,
      mode,
      name,
      settings: { pool_mode: mode, ...settings },
    })),
  ),
)

describe.skipIf(!hasPgBouncer).each(poolers)(
  'behind PgBouncer $version in $mode mode, $name',
  ({ version, command, mode, name: configuration, settings }) => {
    const name = `${configuration} ${version}`
    let pooler: PgBouncer
    beforeAll(async () => {
      pooler = await PgBouncer.start({ replica: node(0), writable: world.cluster.primary }, settings, command)
    })
    afterAll(() => pooler[Symbol.asyncDispose]())

    const poolIn = (
      region: 'ams' | 'nrt',
      database = 'replica',
      { endpoint, ...options }: RoutedPoolOptions & Partial<Pick<ReplicaOptions, 'endpoint'>> = {},
    ): RoutedPool =>
      world.pool(region, {
        replicas: [{ region, connectionString: pooler.url(database), endpoint }],
        logger: undefined,
        ...options,
      })

    it('X2: reads are answered by the replica', async () => {
      const pool = poolIn('nrt')
      const expected = [{ who: 'nrt', is_standby: true }]
      const text = 'select who, is_standby from server'
      expect((await pool.query(text)).rows).toEqual(expected)
      expect((await inRequest(pool, () => pool.query(text))).rows).toEqual(expected)
      const many = await Promise.all(Array.from({ length: 40 }, () => pool.query(text)))
      expect(many.map(({ rows }) => rows[0])).toEqual(Array.from({ length: 40 }, () => expected[0]))
      const client = await pool.connect()
      try {
        await client.query('begin read only')
        expect((await client.query('select who, is_standby, count_notes() >= 0 as counted from server')).rows).toEqual([
          { ...expected[0], counted: true },
        ])
        await client.query('commit')
      } finally {
        client.release()
      }
    })

    it('X1, B1: an unknown statement is tried there, in a transaction that cannot write', async () => {
      const pool = poolIn('nrt')
      await untilCatalogIsRead(pool)
      const body = `${mode} ${name}`
      // Nobody can see into it, and it only reads.
      const read = await inRequest(pool, () => pool.query('select who, count_notes() >= 0 as counted from server'))
      expect(read.rows).toEqual([{ who: 'nrt', counted: true }])
      expect(read).toMatchObject({ command: 'SELECT', rowCount: 1 })
      const refused = await inRequest(pool, () => pool.query(TRY(body))).catch((error: unknown) => error)
      expect(refused).toBeInstanceOf(ReplayToPrimary)
      // The standby was asked, and refused.
      expect((refused as ReplayToPrimary).cause).toMatchObject({ code: '25006' })
      expect(await world.notes(body)).toBe(0)
      const { port } = new URL(pooler.url('replica'))
      const ours = () => warnings.filter(({ message }) => message.includes(`:${port}`)).map(({ message }) => message)
      await expect.poll(ours, { timeout: 10_000 }).toHaveLength(1)
      expect(ours()[0]).toMatch(/is behind a pooler.*`pooler: 'transaction'`/)
    })

    it('X1: one that leads to a server that accepts writes runs nothing that writes', async () => {
      const body = `promoted ${mode} ${name}`
      const pool = poolIn('nrt', 'writable')
      await untilCatalogIsRead(pool)
      for (let n = 0; n < 5; n += 1) {
        await expect(inRequest(pool, () => pool.query(`select write_note('${body}') -- ${n}`))).rejects.toThrow(
          ReplayToPrimary,
        )
        await expect(withReplica(() => pool.query(`select write_note('${body}') -- ${n}`))).rejects.toThrow(
          /read-only|replica/i,
        )
        const client = await pool.connect()
        try {
          await expect(
            inRequest(pool, () => client.query(`select write_note('${body}') -- lease ${n}`)),
          ).rejects.toThrow()
        } finally {
          client.release()
        }
        await inRequest(pool, async () => {
          const inside = await pool.connect()
          await inside.query('begin')
          await inside.query(WHO)
          await inside.query(`select write_note('${body}')`).catch(() => undefined)
          await inside.query('commit').catch(() => undefined)
          inside.release()
        })
      }
      expect(await world.notes(body)).toBe(0)
    })

    it('B3: no setting stays behind for another app of the same pooler', async () => {
      const body = `other ${mode} ${name}`
      // The pooler keeps what it has: the other app is given the sessions that ours ran in.
      const ours = poolIn('nrt', 'writable', { max: 5 })
      const read = () => withReplica(() => ours.query(WHO))
      await Promise.all(Array.from({ length: 20 }, read))
      const other = new pg.Pool({ connectionString: pooler.url('writable'), max: 5 })
      try {
        const seen = await Promise.all(
          Array.from({ length: 8 }, () => other.query('show default_transaction_read_only')),
        )
        expect(seen.map(({ rows }) => rows[0])).toEqual(seen.map(() => ({ default_transaction_read_only: 'off' })))
        const inserts = Array.from({ length: 20 }, async () => {
          await read()
          return other.query('insert into note (body) values ($1)', [body])
        })
        const outcomes = await Promise.allSettled(inserts)
        expect(outcomes.map(({ status }) => status)).toEqual(inserts.map(() => 'fulfilled'))
        expect(await world.notes(body)).toBe(20)
      } finally {
        await other.end()
      }
    })

    it('F1: a client’s own write is seen, also when the pooler goes over to a server that is further behind', async () => {
      const home = world.pool('ams')
      const pool = poolIn('nrt', 'replica', { writesOutsideRequest: 'direct', maxWaitMillis: 100 })
      const body = `seen ${mode} ${name}`
      const writer = new Scope({ session: { isWanted: true } })
      await node(1).pauseReplay()
      try {
        const minPosition = await runInScope(writer, async () => {
          await home.query('insert into note (body) values ($1)', [body])
          return writer.session.capturePosition()
        })
        const visit = (through = pool) => {
          const scope = new Scope({ kind: 'job', topology: () => through.topology, session: { minPosition } })
          const text = `select who, (select count(*)::int from note where body = '${body}') as count from server`
          return runInScope(scope, async () => (await through.query<{ who: string; count: number }>(text)).rows[0])
        }
        await expect.poll(() => visit(), { timeout: 5000 }).toEqual({ who: 'nrt', count: 1 })
        for (let n = 0; n < 20; n += 1) expect(await visit()).toEqual({ who: 'nrt', count: 1 })
        const balanced = poolIn('nrt', 'replica', { endpoint: 'load-balancer' })
        expect(await visit(balanced)).toEqual({ who: 'nrt', count: 1 })
        await pooler.lead('replica', node(1))
        for (let n = 0; n < 40; n += 1) expect(await visit()).toMatchObject({ count: 1 })
      } finally {
        await pooler.lead('replica', node(0))
        await node(1).resumeReplay()
      }
    })
  },
)
