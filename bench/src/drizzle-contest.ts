import { drizzle } from '@headwater/drizzle'
import { desc, eq } from 'drizzle-orm'
import { drizzle as drizzleOver, type NodePgDatabase } from 'drizzle-orm/node-postgres'
import { integer, pgTable, text, withReplicas } from 'drizzle-orm/pg-core'
import { BARE_AT_LEAST, type OrmContest, type OrmPools, PEER_AT_LEAST, type Runs } from './orm-contender.ts'

const author = pgTable('author', { id: integer().primaryKey().generatedAlwaysAsIdentity(), name: text().notNull() })
const note = pgTable('note', {
  id: integer().primaryKey().generatedAlwaysAsIdentity(),
  authorId: integer('author_id').notNull(),
  body: text().notNull(),
})

type Handle = Pick<NodePgDatabase, 'select' | 'insert'>

/** Drizzle over `@headwater/drizzle`, against its own driver over a `pg.Pool` and against its `withReplicas`. */
export function drizzleContest({ routed, bare, peer }: OrmPools): OrmContest {
  const db = drizzle({ client: routed })
  const ours = runsOf(db, db)
  const replicated = withReplicas(drizzleOver({ client: peer.primary }), [drizzleOver({ client: peer.replica })])
  return {
    title: 'Drizzle over @headwater/drizzle',
    opponents: [
      {
        name: 'bare',
        pools: 'bare',
        atLeast: BARE_AT_LEAST,
        runs: runsOf(drizzleOver({ client: bare.replica }), drizzleOver({ client: bare.primary })),
        ours,
      },
      { name: 'withReplicas', pools: 'peer', atLeast: PEER_AT_LEAST, runs: runsOf(replicated, replicated), ours },
    ],
    remarks: [],
  }
}

/** Drizzle's builders run when they are awaited. */
function runsOf(reader: Handle, writer: Handle): Runs {
  return {
    pointSelect: async () => await reader.select({ id: note.id, body: note.body }).from(note).where(eq(note.id, 1)),
    joinSelect: async () =>
      await reader
        .select({ id: note.id, body: note.body, name: author.name })
        .from(note)
        .innerJoin(author, eq(author.id, note.authorId))
        .where(eq(note.id, 1))
        .orderBy(desc(note.id))
        .limit(10),
    insert: async () => await writer.insert(note).values({ authorId: 1, body: 'a note' }).returning({ id: note.id }),
  }
}
