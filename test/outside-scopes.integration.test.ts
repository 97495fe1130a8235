import { setTimeout as sleep } from 'node:timers/promises'
import { drizzle } from '@headwater/drizzle'
import { HeadwaterDialect } from '@headwater/kysely'
import { RoutedPool } from '@headwater/pg'
import { World } from '@headwater/test-world'
import { sql as drizzleSql } from 'drizzle-orm'
import { drizzle as plainDrizzle } from 'drizzle-orm/node-postgres'
import { Logger, makeWorkerUtils, run } from 'graphile-worker'
import { Kysely, sql as kyselySql, PostgresDialect } from 'kysely'
import pg from 'pg'
import { PgBoss } from 'pg-boss'
import { Umzug } from 'umzug'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

// What cron jobs, scripts, migrators, queues and tests do, with a plain pg.Pool and with ours: both must answer the same.

const ROUNDS = 20

let world: World
beforeAll(async () => {
  world = await World.start({
    schema: `
      create table item (id int primary key generated always as identity, body text not null unique);
      create table counter (id text primary key, n int not null);
      create table mail (id int primary key generated always as identity, run text not null, sent boolean not null default false);
      create table migration (name text primary key);
      create table effect (name text not null);`,
  })
})
afterAll(() => world[Symbol.asyncDispose]())

let made = 0
const newName = (): string => `name-${++made}`
const times = Array.from({ length: ROUNDS }, (_, index) => index)

/** Does its work outside any scope, and says what came of it. */
type Experiment = (pool: pg.Pool) => Promise<unknown>

/** How many of the rows that were just written a read by their key did not find. */
async function missingBy(
  insert: (body: string) => Promise<number | undefined>,
  find: (id: number) => Promise<unknown>,
): Promise<{ missing: number }> {
  let missing = 0
  for (const _ of times) {
    const id = await insert(newName())
    if (id === undefined || (await find(id)) === undefined) missing += 1
  }
  return { missing }
}

const EXPERIMENTS: Readonly<Record<string, Experiment>> = {
  'insert, then select by id': (pool) =>
    missingBy(
      async (body) =>
        (await pool.query<{ id: number }>('insert into item (body) values ($1) returning id', [body])).rows[0]?.id,
      async (id) => (await pool.query('select * from item where id = $1', [id])).rows[0],
    ),

  'the same through Kysely': (pool) => {
    const dialect = pool instanceof RoutedPool ? new HeadwaterDialect({ pool }) : new PostgresDialect({ pool })
    const db = new Kysely<{ item: { id: number; body: string } }>({ dialect })
    return missingBy(
      async (body) =>
        (await kyselySql<{ id: number }>`insert into item (body) values (${body}) returning id`.execute(db)).rows[0]
          ?.id,
      (id) => db.selectFrom('item').selectAll().where('id', '=', id).executeTakeFirst(),
    )
  },

  'the same through Drizzle': (pool) => {
    const db = pool instanceof RoutedPool ? drizzle({ client: pool }) : plainDrizzle({ client: pool })
    return missingBy(
      async (body) =>
        Number((await db.execute(drizzleSql`insert into item (body) values (${body}) returning id`)).rows[0]?.['id']),
      async (id) => (await db.execute(drizzleSql`select * from item where id = ${id}`)).rows[0],
    )
  },

  'read, add, write': async (pool) => {
    const id = newName()
    await pool.query('insert into counter values ($1, 0)', [id])
    for (const _ of times) {
      const { rows } = await pool.query<{ n: number }>('select n from counter where id = $1', [id])
      await pool.query('update counter set n = $2 where id = $1', [id, (rows[0]?.n ?? 0) + 1])
    }
    return (await pool.query('select n from counter where id = $1', [id])).rows
  },

  'poll, send the mail, mark it done': async (pool) => {
    const name = newName()
    await pool.query('insert into mail (run) select $1 from generate_series(1, 12)', [name])
    let sent = 0
    for (let poll = 0; poll < 15; poll += 1) {
      const { rows } = await pool.query<{ id: number }>('select id from mail where run = $1 and not sent', [name])
      for (const { id } of rows) {
        sent += 1
        await pool.query('update mail set sent = true where id = $1', [id])
      }
    }
    return sent
  },

  'get or create': async (pool) => {
    const failures: unknown[] = []
    for (const _ of times) {
      const body = newName()
      for (let visit = 0; visit < 3; visit += 1) {
        const { rows } = await pool.query('select id from item where body = $1', [body])
        if (rows.length > 0) continue
        await pool.query('insert into item (body) values ($1)', [body]).catch(({ code }) => failures.push(code))
      }
    }
    return failures
  },

  'a transaction, then its sum': async (pool) => {
    const name = newName()
    const sums: unknown[] = []
    for (const _ of times) {
      const client = await pool.connect()
      await client.query('begin')
      await client.query('insert into mail (run) values ($1)', [name])
      await client.query('insert into mail (run) values ($1)', [name])
      await client.query('commit')
      client.release()
      const { rows } = await pool.query<{ n: number }>('select count(*)::int as n from mail where run = $1', [name])
      sums.push(rows[0]?.n)
    }
    return sums
  },

  'umzug.up(), twice': async (pool) => {
    const name = newName()
    let applied = 0
    const umzug = new Umzug({
      migrations: [
        {
          name,
          up: async () => {
            applied += 1
          },
        },
      ],
      storage: {
        logMigration: async (entry) => {
          await pool.query('insert into migration values ($1) on conflict do nothing', [entry.name])
        },
        unlogMigration: async () => undefined,
        executed: async () =>
          (await pool.query<{ name: string }>('select name from migration')).rows.map((row) => row.name),
      },
      context: {},
      logger: undefined,
    })
    await umzug.up()
    await umzug.up()
    return { applied }
  },

  'pg-boss: a queue, its jobs, their worker': async (pool) => {
    const boss = new PgBoss({
      db: { executeSql: (text: string, values?: unknown[]) => pool.query(text, values) },
      schema: newName().replace('-', '_'),
      supervise: false,
      schedule: false,
    })
    const errors: unknown[] = []
    boss.on('error', (error) => errors.push(String(error)))
    await boss.start()
    const states: unknown[] = []
    try {
      for (let round = 0; round < 5; round += 1) {
        const queue = newName()
        await boss.createQueue(queue)
        const id = (await boss.send(queue, { round })) ?? 'none'
        const jobs = await boss.fetch(queue)
        for (const job of jobs) await boss.complete(queue, job.id)
        states.push(
          jobs.length,
          (await boss.findJobs(queue, { id }))[0]?.state,
          (await boss.getQueue(queue))?.name === queue,
        )
      }
    } finally {
      await boss.stop({ graceful: false, close: false })
    }
    return { states, errors }
  },

  'graphile-worker: its migrations, its jobs, what they do': async (pool) => {
    const schema = newName().replace('-', '_')
    const logger = new Logger(() => () => undefined)
    // Without listeners it warns, and adds its own.
    pool.on('error', () => undefined)
    pool.on('connect', () => undefined)
    const shared = { pgPool: pool, schema, logger }
    const utils = await makeWorkerUtils(shared)
    await utils.migrate()
    const worker = await run({
      ...shared,
      noHandleSignals: true,
      pollInterval: 100,
      taskList: {
        // It reads what was written right before the job was added.
        copy: async (payload, helpers) => {
          const { name } = payload as { name: string }
          const { rows } = await helpers.query('select body from item where body = $1', [name])
          await pool.query('insert into effect select $1 where $2', [name, rows.length === 1])
        },
      },
    })
    const names = Array.from({ length: 5 }, newName)
    try {
      for (const name of names) {
        await pool.query('insert into item (body) values ($1)', [name])
        await utils.addJob('copy', { name })
      }
      const seen = 'select count(*)::int as n from effect where name = any($1)'
      for (let poll = 0; poll < 100; poll += 1) {
        if ((await pool.query<{ n: number }>(seen, [names])).rows[0]?.n === names.length) return 'all'
        await sleep(20)
      }
      return 'some are missing'
    } finally {
      await worker.stop()
      await utils.release()
    }
  },
}

describe.each([0, 20, 400])('R9: outside any scope, the replica %i ms behind', (lagMillis) => {
  beforeAll(async () => {
    await world.cluster.waitUntilCaughtUp()
    await world.replica().lag(lagMillis)
  })
  afterAll(() => world.replica().lag(0))

  it.each(Object.entries(EXPERIMENTS))('R9: %s', async (_name, experiment) => {
    const plain = new pg.Pool({ connectionString: world.cluster.primary.url })
    const pool = await world.informedPool('ams')
    try {
      expect(await experiment(pool)).toEqual(await experiment(world.ending(plain)))
    } finally {
      await pool.end()
    }
  })
})
