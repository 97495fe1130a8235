import type { RoutedPool } from '@headwater/pg'
import type { PoolClient } from 'pg'
import QueryStream from 'pg-query-stream'
import type { Data, DataAdapter } from './data.ts'

const READ = 'select who from server'
const WRITE = `insert into note (body, region) values ($1, 'here') returning (${READ}) as who`

type Target = Pick<RoutedPool | PoolClient, 'query'>

async function who(target: Target, text: string, values: unknown[] = []): Promise<string> {
  const { rows } = await target.query<{ who: string }>(text, values)
  return rows[0]?.who ?? 'no row'
}

function open(pool: RoutedPool): Data {
  const withClient = async <Result>(use: (client: PoolClient) => Promise<Result>): Promise<Result> => {
    const client = await pool.connect()
    try {
      return await use(client)
    } finally {
      client.release()
    }
  }
  const inTransaction = <Result>(begin: string, use: (client: PoolClient) => Promise<Result>): Promise<Result> =>
    withClient(async (client) => {
      await client.query(begin)
      try {
        const result = await use(client)
        await client.query('commit')
        return result
      } catch (error) {
        await client.query('rollback')
        throw error
      }
    })
  const readAndWrite = (body: string) => async (client: PoolClient) => [
    await who(client, READ),
    await who(client, WRITE, [body]),
  ]

  return {
    read: () => who(pool, READ),
    find: (body) =>
      who(pool, `select who || ' sees ' || (select count(*) from note where body = $1) as who from server`, [body]),
    readRaw: () => who(pool, `/* insert into note */ ((${READ})) -- for update`),
    readThroughCte: () => who(pool, `with s as (${READ}) select who from s`),
    readOnlyTransaction: () =>
      inTransaction('begin read only', async (client) => [await who(client, READ), await who(client, READ)]),
    async *stream() {
      const rows = pool.query(new QueryStream(`${READ}, generate_series(1, 3)`))
      for await (const row of rows) yield (row as { who: string }).who
    },
    write: (body) => who(pool, WRITE, [body]),
    writeRaw: (body) =>
      who(
        pool,
        `/* select */ with a as (insert into note (body, region) values ($1, 'here') returning id) (select who from server, a)`,
        [body],
      ),
    writingCte: (body) =>
      who(
        pool,
        `with a as (insert into note (body, region) values ($1, 'here') returning id) select who from server, a`,
        [body],
      ),
    cteBeforeUpdate: () =>
      who(
        pool,
        `with c as (select 1 as id) update counter set n = n + 1 where id in (select id from c) returning (${READ}) as who`,
      ),
    forUpdate: () => who(pool, `select (${READ}) as who from counter for update`),
    forShareSkipLocked: () => who(pool, `select (${READ}) as who from counter for share skip locked`),
    nextval: () => who(pool, `select nextval('note_id_seq'), who from server`),
    advisoryLock: () => who(pool, 'select pg_try_advisory_xact_lock(7), who from server'),
    sessionLock: () =>
      who(
        pool,
        'select who, pg_advisory_unlock(9) from (select who, pg_advisory_lock(9) from server offset 0) as locked',
      ),
    transaction: (body) => inTransaction('begin', readAndWrite(body)),
    serializable: (body) => inTransaction('begin isolation level serializable', readAndWrite(body)),
    rolledBack: (body, reason) =>
      inTransaction('begin', async (client) => {
        await who(client, WRITE, [body])
        throw reason
      }),
    savepoints: (body) =>
      inTransaction('begin', async (client) => {
        await who(client, WRITE, [body])
        await client.query('savepoint undone')
        await who(client, WRITE, [body])
        await client.query('rollback to savepoint undone')
        await client.query('savepoint kept')
        await who(client, WRITE, [body])
        await client.query('release savepoint kept')
      }),
    connection: (body) =>
      withClient(async (client) => [
        await who(client, READ),
        await who(client, WRITE, [body]),
        await who(client, READ),
      ]),
    callWriter: async (body) => void (await pool.query('select write_note($1)', [body])),
    violateUnique: () => pool.query('insert into tag values ($1)', ['taken']),
    divideByZero: () => pool.query('select 1 / $1::int', [0]),
  }
}

export const pgData: DataAdapter = { name: 'pg', lacks: {}, wrappers: 0, open }
