import { HeadwaterDialect } from '@headwater/kysely'
import { type Generated, Kysely, PostgresDialect } from 'kysely'
import * as older from 'kysely-0.28'
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

/** Kysely over `HeadwaterDialect`, against `PostgresDialect` and against kysely-replication. */
export function kyselyContest(pools: OrmPools): OrmContest {
  const over = (pool: pg.Pool): Kysely<Database> => new Kysely({ dialect: new PostgresDialect({ pool }) })
  const ours = new Kysely<Database>({ dialect: new HeadwaterDialect({ pool: pools.routed }) })
  const bare: Opponent = {
    name: 'bare',
    pools: 'bare',
    atLeast: BARE_AT_LEAST,
    runs: runsOf(over(pools.bare.replica), over(pools.bare.primary)),
    ours: runsOf(ours, ours),
  }
  return {
    title: 'Kysely over HeadwaterDialect',
    opponents: [bare, replicationOf(pools)],
    remarks: ['Beside kysely-replication, both run on Kysely 0.28, which is what it asks for.'],
  }
}

function replicationOf({ peer, routed }: OrmPools): Opponent {
  const dialect = (pool: pg.Pool): older.Dialect => new older.PostgresDialect({ pool })
  return {
    name: 'kysely-replication',
    pools: 'peer',
    atLeast: PEER_AT_LEAST,
    runs: runsOnOlder(
      new KyselyReplicationDialect({
        primaryDialect: dialect(peer.primary),
        replicaDialects: [dialect(peer.replica)],
        replicaStrategy: new RoundRobinReplicaStrategy({ onTransaction: 'error' }),
      }),
    ),
    ours: runsOnOlder(new HeadwaterDialect({ pool: routed })),
  }
}

/** On Kysely 0.28; the newest has other types for the same, as far as it is used here. */
function runsOnOlder(dialect: object): Runs {
  const db: object = new older.Kysely<Database>({ dialect: dialect as older.Dialect })
  return runsOf(db as Kysely<Database>, db as Kysely<Database>)
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
