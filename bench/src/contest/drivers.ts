import postgres from '@headwater/bench-rivals/postgres'
import { RoutedPool, type RoutedPoolOptions } from '@headwater/pg'
import pg from 'pg'
import { CONNECTIONS, type Contender, namedUrl, type Servers } from './contender.ts'
import { anyPost, BODY, pageOf, TEXTS } from './workloads.ts'

type Runs = Contender['runs']

/** A pool, or two of them where reads and writes go by hand; texts with a name where `isNamed`. */
function runsOf(reads: pg.Pool, writes: pg.Pool, isNamed = false): Runs {
  const ask = (pool: pg.Pool | pg.PoolClient, name: keyof typeof TEXTS, values: unknown[]): Promise<unknown> =>
    isNamed ? pool.query({ name, text: TEXTS[name], values }) : pool.query(TEXTS[name], values)
  const point = (): Promise<unknown> => ask(reads, 'point', [anyPost()])
  return {
    point,
    join: () => ask(reads, 'join', [anyPost()]),
    insert: () => ask(writes, 'insert', [BODY]),
    transaction: async () => {
      const client = await writes.connect()
      try {
        await client.query('BEGIN')
        await ask(client, 'insert', [BODY])
        await client.query('COMMIT')
      } finally {
        client.release()
      }
    },
    page: () => pageOf(point),
  }
}

/** A pool for each server, as an app has them that chooses by hand. */
export function twoPools({ primary, replica }: Servers, application: string): { reads: pg.Pool; writes: pg.Pool } {
  const open = (connectionString: string): pg.Pool =>
    new pg.Pool({ max: CONNECTIONS, idleTimeoutMillis: 0, application_name: application, connectionString })
  return { reads: open(replica), writes: open(primary) }
}

export function routedPool(
  { primary, replica }: Servers,
  application: string,
  more: RoutedPoolOptions = {},
): RoutedPool {
  return new RoutedPool({
    max: CONNECTIONS,
    idleTimeoutMillis: 0,
    application_name: application,
    logger: false,
    region: 'ams',
    primary: { region: 'ams', connectionString: primary },
    replicas: [{ region: 'ams', connectionString: replica }],
    ...more,
  })
}

export function barePg(servers: Servers, name: string, isNamed: boolean): Contender {
  const application = isNamed ? 'contest-named' : 'contest-pg'
  const { reads, writes } = twoPools(servers, application)
  const end = (): Promise<unknown> => Promise.all([reads.end(), writes.end()])
  return { name, application, runs: runsOf(reads, writes, isNamed), end }
}

export function headwater(servers: Servers, name: string, lanes: boolean): Contender {
  const application = lanes ? 'contest-lanes' : 'contest-headwater'
  const pool = routedPool(servers, application, { lanes })
  return { name, application, runs: runsOf(pool, pool), end: () => pool.end() }
}

/** pg's own pipelining, which takes clients in place of a pool: two to each server, the one with the least to do first. */
export async function pipelinedPg({ primary, replica }: Servers, name: string): Promise<Contender> {
  const application = 'contest-pipeline'
  const open = async (connectionString: string): Promise<(text: string, values: unknown[]) => Promise<unknown>> => {
    const config: pg.ClientConfig & { pipeline: boolean } = {
      connectionString,
      application_name: application,
      pipeline: true,
    }
    const clients = await Promise.all(
      [0, 1].map(async () => {
        const client = new pg.Client(config)
        await client.connect()
        opened.push(client)
        return { client, open: 0 }
      }),
    )
    return async (text, values) => {
      const chosen = clients.reduce((least, one) => (one.open < least.open ? one : least))
      chosen.open += 1
      try {
        return await chosen.client.query({ name: text.slice(0, 60), text, values })
      } finally {
        chosen.open -= 1
      }
    }
  }
  const opened: pg.Client[] = []
  const [read, write] = [await open(replica), await open(primary)]
  const point = (): Promise<unknown> => read(TEXTS.point, [anyPost()])
  return {
    name,
    application,
    runs: {
      point,
      join: () => read(TEXTS.join, [anyPost()]),
      insert: () => write(TEXTS.insert, [BODY]),
      page: () => pageOf(point),
    },
    end: () => Promise.all(opened.map((client) => client.end())),
  }
}

export function postgresJs({ primary, replica }: Servers, name: string): Contender {
  const application = 'contest-postgresjs'
  const open = (url: string): postgres.Sql =>
    postgres(namedUrl(url, application), { max: CONNECTIONS, fetch_types: false, onnotice: () => undefined })
  const [reads, writes] = [open(replica), open(primary)]
  const point = async (): Promise<unknown> => await reads`select id, title from post where id = ${anyPost()}`
  return {
    name,
    application,
    runs: {
      point,
      join: async () =>
        await reads`select p.id, p.title, a.name, c.body from post p join author a on a.id = p.author_id
        join comment c on c.post_id = p.id where p.id = ${anyPost()}`,
      insert: async () => await writes`insert into entry (body) values (${BODY}) returning id`,
      transaction: () => writes.begin((sql) => sql`insert into entry (body) values (${BODY}) returning id`),
      page: () => pageOf(point),
    },
    end: () => Promise.all([reads.end(), writes.end()]),
  }
}
