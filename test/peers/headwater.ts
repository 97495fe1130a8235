import { runInScope, Scope } from '@headwater/core'
import { RoutedPool } from '@headwater/pg'
import type { PoolClient } from 'pg'
import { built, type Contestant, type Opened, seen, spread } from './contestant.ts'
import { mapValues } from './map-values.ts'
import { ASKING, SILENT, WHO } from './raw-sql.ts'
import type { Nodes } from './world.ts'

async function open({ primary, replicas }: Nodes): Promise<Opened> {
  const pool = new RoutedPool({
    region: 'ams',
    primary: { region: 'ams', connectionString: primary },
    replicas: replicas.map((connectionString) => ({ region: 'ams', connectionString })),
    // What it asks is node-local, and so is for the primary to say; here it is the question.
    functions: { server: 'read' },
    connectionTimeoutMillis: 2000,
    logger: false,
  })
  const ask = async (target: Pick<RoutedPool | PoolClient, 'query'>, text: string) =>
    String((await target.query<{ who: string }>(text)).rows[0]?.who)
  const who = (text: string) => built(() => ask(pool, text))
  const silent = (text: (body: string) => string) => built(async (body) => void (await pool.query(text(body))))
  const withClient = async <Result>(use: (client: PoolClient) => Promise<Result>) => {
    const client = await pool.connect()
    try {
      return await use(client)
    } finally {
      client.release()
    }
  }
  const session = (...texts: ((body: string) => string)[]) =>
    built((body) =>
      withClient(async (client) => {
        let last = ''
        for (const text of texts) {
          const { rows } = await client.query<{ who: string }>(text(body))
          last = rows[0]?.who ?? last
        }
        return last
      }),
    )
  const is = (text: string) => () => text
  const insert = (body: string) => `insert into note (body) values ('${body}') returning (${WHO}) as who`

  return {
    close: () => pool.end(),
    attempts: {
      select: who(WHO),
      ...mapValues(ASKING, (textOf) => built((body) => ask(pool, textOf(body)))),
      ...mapValues(SILENT, silent),
      readingFunction: built(async () => {
        await untilCatalogIsKnown(pool)
        return ask(pool, ASKING.readingFunction())
      }),
      readOnlyTransaction: session(is('begin read only'), is(WHO), is('commit')),
      insert: built((body) => ask(pool, insert(body))),
      writingView: silent(is('select id from writing')),
      transaction: session(is('begin'), is(WHO), insert, is('commit')),
      serializable: session(is('begin isolation level serializable'), is(WHO), is('commit')),
      savepoint: session(is('begin'), is('savepoint one'), insert, is('release one'), is('commit')),
      connection: session(is(WHO), insert),
      readAfterWrite: built((body) =>
        runInScope(new Scope(), async () => {
          await pool.query(insert(body))
          const { rows } = await pool.query<{ who: string; count: number }>(
            `select who, (select count(*)::int from note where body = '${body}') as count from server`,
          )
          return seen(rows[0])
        }),
      ),
      manyReads: built(() => runInScope(new Scope(), () => spread(() => ask(pool, WHO)))),
      noReplica: who(WHO),
    },
  }
}

/** It is read in the background; until then what nobody can see into goes to the primary. */
async function untilCatalogIsKnown(pool: RoutedPool): Promise<void> {
  const deadline = Date.now() + 5000
  while (Date.now() < deadline) {
    const { rows } = await pool.query<{ who: string }>(ASKING.readingFunction())
    if (rows[0]?.who !== 'primary') return
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** Ourselves: `@headwater/pg`, as its README says. */
export const headwater: Contestant = { name: 'Headwater', version: '', open }
