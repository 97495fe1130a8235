import { HeadwaterDialect } from '@headwater/kysely'
import { type Dialect, type Generated, Kysely, PostgresDialect } from 'kysely'
import { KyselyReplicationDialect } from 'kysely-replication'
import { RoundRobinReplicaStrategy } from 'kysely-replication/strategy/round-robin'
import type pg from 'pg'
import {
  BARE_AT_LEAST,
  type Opponent,
  type OrmContest,
  type OrmPools,
  PEER_AT_LEAST,
  type Runs,
} from './orm-contender.ts'

interface Database {
  author: { id: Generated<number>; name: string }
  note: { id: Generated<number>; author_id: number; body: string }
}

type Library = Pick<typeof import('kysely'), 'Kysely' | 'PostgresDialect'>

/** Kysely over `HeadwaterDialect`, against `PostgresDialect` and against kysely-replication. */
export async function kyselyContest(pools: OrmPools): Promise<OrmContest> {
  const over = (pool: pg.Pool): Kysely<Database> => new Kysely({ dialect: new PostgresDialect({ pool }) })
  const bare: Opponent = {
    name: 'bare',
    pools: 'bare',
    atLeast: BARE_AT_LEAST,
    runs: runsOf(over(pools.bare.replica), over(pools.bare.primary)),
    ours: runsOver({ Kysely, PostgresDialect }, new HeadwaterDialect({ pool: pools.routed })),
  }
  const title = 'Kysely over HeadwaterDialect'
  const older = await loadOlder()
  if (older === undefined) {
    return {
      title,
      opponents: [bare],
      remarks: ['kysely-replication is skipped: it needs kysely-0.28, not installed here.'],
    }
  }
  return {
    title,
    opponents: [bare, replicationOf(older, pools)],
    remarks: ['Beside kysely-replication, both run on Kysely 0.28, which is what it asks for.'],
  }
}

function replicationOf(older: Library, { peer, routed }: OrmPools): Opponent {
  const dialect = (pool: pg.Pool): Dialect => new older.PostgresDialect({ pool })
  return {
    name: 'kysely-replication',
    pools: 'peer',
    atLeast: PEER_AT_LEAST,
    runs: runsOver(
      older,
      new KyselyReplicationDialect({
        primaryDialect: dialect(peer.primary),
        replicaDialects: [dialect(peer.replica)],
        replicaStrategy: new RoundRobinReplicaStrategy({ onTransaction: 'error' }),
      }),
    ),
    ours: runsOver(older, new HeadwaterDialect({ pool: routed })),
  }
}

/** Kysely 0.28; `undefined` where it is not installed. At run time it has what is used of it here. */
async function loadOlder(): Promise<Library | undefined> {
  const name: string = 'kysely-0.28'
  try {
    return await import(name)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND') return undefined
    throw error
  }
}

function runsOver(library: Library, dialect: Dialect): Runs {
  const db = new library.Kysely<Database>({ dialect })
  return runsOf(db, db)
}

function runsOf(reader: Kysely<Database>, writer: Kysely<Database>): Runs {
  return {
    pointSelect: () => reader.selectFrom('note').select(['id', 'body']).where('id', '=', 1).executeTakeFirstOrThrow(),
    joinSelect: () =>
      reader
        .selectFrom('note')
        .innerJoin('author', 'author.id', 'note.author_id')
        .select(['note.id', 'note.body', 'author.name'])
        .where('note.id', '=', 1)
        .orderBy('note.id', 'desc')
        .limit(10)
        .execute(),
    insert: () =>
      writer.insertInto('note').values({ author_id: 1, body: 'a note' }).returning('id').executeTakeFirstOrThrow(),
  }
}
