import { drizzle } from '@headwater/drizzle'
import { HeadwaterDialect } from '@headwater/kysely'
import { eq, sql } from 'drizzle-orm'
import { drizzle as drizzleOver, type NodePgDatabase } from 'drizzle-orm/node-postgres'
import { integer, pgTable, text, withReplicas } from 'drizzle-orm/pg-core'
import { type Generated, Kysely, PostgresDialect } from 'kysely'
import * as older from 'kysely-0.28'
import { KyselyReplicationDialect } from 'kysely-replication'
import { RoundRobinReplicaStrategy } from 'kysely-replication/strategy/round-robin'
import type { Contender, Servers } from './contender.ts'
import { routedPool, twoPools } from './drivers.ts'
import { anyPost, BODY, pageOf } from './workloads.ts'

type Runs = Contender['runs']

interface Database {
  author: { id: number; name: string }
  post: { id: number; author_id: number; title: string }
  comment: { id: number; post_id: number; body: string }
  entry: { id: Generated<number>; body: string }
}

function kyselyRuns(reads: Kysely<Database>, writes: Kysely<Database>): Runs {
  const point = (): Promise<unknown> =>
    reads.selectFrom('post').select(['id', 'title']).where('id', '=', anyPost()).execute()
  const insert = (db: Pick<Kysely<Database>, 'insertInto'>): Promise<unknown> =>
    db.insertInto('entry').values({ body: BODY }).returning('id').execute()
  return {
    point,
    join: () =>
      reads
        .selectFrom('post')
        .innerJoin('author', 'author.id', 'post.author_id')
        .innerJoin('comment', 'comment.post_id', 'post.id')
        .select(['post.id', 'post.title', 'author.name', 'comment.body'])
        .where('post.id', '=', anyPost())
        .execute(),
    insert: () => insert(writes),
    transaction: () => writes.transaction().execute(insert),
    page: () => pageOf(point),
  }
}

export function kyselyOverPg(servers: Servers, name: string): Contender {
  const application = 'contest-kysely'
  const { reads, writes } = twoPools(servers, application)
  const over = (pool: typeof reads): Kysely<Database> => new Kysely({ dialect: new PostgresDialect({ pool }) })
  const [reader, writer] = [over(reads), over(writes)]
  return {
    name,
    application,
    runs: kyselyRuns(reader, writer),
    end: () => Promise.all([reader.destroy(), writer.destroy()]),
  }
}

export function kyselyReplication(servers: Servers, name: string): Contender {
  const application = 'contest-kysely-replication'
  const { reads, writes } = twoPools(servers, application)
  const dialect = new KyselyReplicationDialect({
    primaryDialect: new older.PostgresDialect({ pool: writes }),
    replicaDialects: [new older.PostgresDialect({ pool: reads })],
    replicaStrategy: new RoundRobinReplicaStrategy({ onTransaction: 'error' }),
  })
  // The newest has other types for the same, as far as it is used here.
  const db: object = new older.Kysely<Database>({ dialect })
  const all = kyselyRuns(db as Kysely<Database>, db as Kysely<Database>)
  return { name, application, runs: all, end: () => (db as Kysely<Database>).destroy() }
}

export function kyselyOverHeadwater(servers: Servers, name: string): Contender {
  const application = 'contest-kysely-headwater'
  const pool = routedPool(servers, application)
  const db = new Kysely<Database>({ dialect: new HeadwaterDialect({ pool }) })
  return { name, application, runs: kyselyRuns(db, db), end: () => pool.end() }
}

const author = pgTable('author', { id: integer().primaryKey(), name: text().notNull() })
const post = pgTable('post', {
  id: integer().primaryKey(),
  authorId: integer('author_id').notNull(),
  title: text().notNull(),
})
const comment = pgTable('comment', {
  id: integer().primaryKey(),
  postId: integer('post_id').notNull(),
  body: text().notNull(),
})
const entry = pgTable('entry', { id: integer().primaryKey().generatedAlwaysAsIdentity(), body: text().notNull() })

type Reader = Pick<NodePgDatabase, 'select'>
type Writer = Pick<NodePgDatabase, 'insert' | 'transaction'>

const pointOf = (db: Reader, id: number | ReturnType<typeof sql.placeholder>) =>
  db.select({ id: post.id, title: post.title }).from(post).where(eq(post.id, id))
const joinOf = (db: Reader, id: number | ReturnType<typeof sql.placeholder>) =>
  db
    .select({ id: post.id, title: post.title, name: author.name, body: comment.body })
    .from(post)
    .innerJoin(author, eq(author.id, post.authorId))
    .innerJoin(comment, eq(comment.postId, post.id))
    .where(eq(post.id, id))
const insertOf = (db: Pick<NodePgDatabase, 'insert'>) =>
  db.insert(entry).values({ body: BODY }).returning({ id: entry.id })

function drizzleRuns(reads: Reader, writes: Writer): Runs {
  const point = async (): Promise<unknown> => await pointOf(reads, anyPost())
  return {
    point,
    join: async () => await joinOf(reads, anyPost()),
    insert: async () => await insertOf(writes),
    transaction: () => writes.transaction(async (tx) => await insertOf(tx)),
    page: () => pageOf(point),
  }
}

export function drizzleOverPg(servers: Servers, name: string): Contender {
  const application = 'contest-drizzle'
  const { reads, writes } = twoPools(servers, application)
  const runs = drizzleRuns(drizzleOver({ client: reads }), drizzleOver({ client: writes }))
  return { name, application, runs, end: () => Promise.all([reads.end(), writes.end()]) }
}

/** Drizzle's own prepared statements, by hand. */
export function drizzlePrepared(servers: Servers, name: string): Contender {
  const application = 'contest-drizzle-prepared'
  const { reads, writes } = twoPools(servers, application)
  const reader = drizzleOver({ client: reads })
  const byId = pointOf(reader, sql.placeholder('id')).prepare('point')
  const joined = joinOf(reader, sql.placeholder('id')).prepare('join')
  const inserted = insertOf(drizzleOver({ client: writes })).prepare('insert')
  const point = (): Promise<unknown> => byId.execute({ id: anyPost() })
  return {
    name,
    application,
    runs: {
      point,
      join: () => joined.execute({ id: anyPost() }),
      insert: () => inserted.execute(),
      page: () => pageOf(point),
    },
    end: () => Promise.all([reads.end(), writes.end()]),
  }
}

export function drizzleWithReplicas(servers: Servers, name: string): Contender {
  const application = 'contest-with-replicas'
  const { reads, writes } = twoPools(servers, application)
  const db = withReplicas(drizzleOver({ client: writes }), [drizzleOver({ client: reads })])
  return { name, application, runs: drizzleRuns(db, db), end: () => Promise.all([reads.end(), writes.end()]) }
}

export function drizzleOverHeadwater(servers: Servers, name: string): Contender {
  const application = 'contest-drizzle-headwater'
  const pool = routedPool(servers, application)
  const db = drizzle({ client: pool })
  return { name, application, runs: drizzleRuns(db, db), end: () => pool.end() }
}
