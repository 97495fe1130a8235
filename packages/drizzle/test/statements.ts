import type { Database, Version } from './version.ts'

/** Runs one statement and says which server answered. */
export type Statement = (db: Database) => Promise<string | undefined>

/** Everything that Drizzle's builders can say, by what it needs. */
export function statementsOf({ orm, core, tables }: Version): Record<'reads' | 'writes', Record<string, Statement>> {
  const { author, note, tag, server, noteCount } = tables
  const { sql, eq, and, or, ilike, inArray, arrayContains, placeholder } = { ...orm, placeholder: orm.sql.placeholder }
  const who = sql<string>`(select who from server)`
  const one = (rows: readonly { who: string | null }[]) => rows[0]?.who ?? undefined
  const raw = (result: unknown) => (result as { rows: { who: string }[] }).rows[0]?.who
  const added = (db: Database) => db.insert(note).values({ body: 'added' }).returning({ who })

  const reads: Record<string, Statement> = {
    'select from a view': async (db) => one(await db.select().from(server)),
    'select with fields': async (db) =>
      one(
        await db
          .select({ id: note.id, who: who.as('who') })
          .from(note)
          .limit(1),
      ),
    selectDistinct: async (db) => one(await db.selectDistinct({ who: server.who }).from(server)),
    selectDistinctOn: async (db) => one(await db.selectDistinctOn([server.who], { who: server.who }).from(server)),
    'joins and operators': async (db) =>
      one(
        await db
          .select({ who: server.who })
          .from(note)
          .innerJoin(author, eq(author.id, note.authorId))
          .leftJoin(server, sql`true`)
          .where(
            and(or(ilike(author.name, 'A%'), inArray(note.id, [1, 2])), arrayContains(sql`array[1, 2]`, sql`array[1]`)),
          )
          .groupBy(server.who)
          .having(sql`count(*) > 0`)
          .orderBy(orm.desc(server.who)),
      ),
    'a subquery': async (db) => {
      const inner = db.select().from(server).as('inner')
      return one(await db.select({ who: inner.who }).from(inner))
    },
    union: async (db) =>
      one(await core.union(db.select({ who: server.who }).from(server), db.select({ who: server.who }).from(server))),
    'with().select': async (db) => {
      const cte = db.$with('cte').as(db.select().from(server))
      return one(await db.with(cte).select({ who: cte.who }).from(cte))
    },
    $count: async (db) => ((await db.$count(server, eq(server.isStandby, true))) === 1 ? 'nrt' : 'primary'),
    'query.findMany': async (db) => {
      const [found] = await db.query.author.findMany({ with: { notes: true }, extras: { who: who.as('who') } })
      return found?.notes[0]?.body === 'first' ? found.who : undefined
    },
    'query.findFirst': async (db) =>
      (await db.query.note.findFirst({ with: { author: true }, extras: { who: who.as('who') } }))?.who,
    'a prepared select': async (db) => {
      const prepared = db
        .select({ who })
        .from(note)
        .where(eq(note.id, placeholder('id')))
        .prepare('one_note')
      return one(await prepared.execute({ id: 1 }))
    },
    'execute(select)': async (db) => raw(await db.execute(sql`select who from server where ${1} = 1`)),
    'execute(text) with a comment and parentheses': async (db) =>
      raw(await db.execute('/* insert */ (select who from server) -- update')),
    'a materialized view': async (db) => one(await db.select({ who }).from(noteCount)),
  }

  const writes: Record<string, Statement> = {
    insert: async (db) => one(await added(db)),
    'insert … select': async (db) =>
      one(
        await db
          .insert(tag)
          .select(db.select({ name: author.name }).from(author))
          .returning({ who }),
      ),
    'mikro-orm#4868: onConflictDoUpdate': async (db) =>
      one(
        await db
          .insert(author)
          .values({ name: 'ada' })
          .onConflictDoUpdate({ target: author.name, set: { name: 'ada' } })
          .returning({ who }),
      ),
    onConflictDoNothing: async (db) => {
      await db.insert(author).values({ name: 'ada' }).onConflictDoNothing()
      return 'primary' // a standby refuses it, with rows or without
    },
    update: async (db) => one(await db.update(note).set({ body: 'first' }).where(eq(note.id, 1)).returning({ who })),
    'update … from': async (db) =>
      one(
        await db.update(note).set({ body: 'first' }).from(server).where(eq(note.id, 1)).returning({ who: server.who }),
      ),
    delete: async (db) => {
      await db.delete(note).where(eq(note.id, -1))
      return 'primary'
    },
    'with().insert': async (db) => {
      const cte = db.$with('cte').as(db.select({ one: sql`1`.as('one') }).from(server))
      return one(await db.with(cte).insert(note).values({ body: 'with' }).returning({ who }))
    },
    'drizzle-orm#4185: with().update': async (db) => {
      const cte = db.$with('cte').as(db.select({ id: note.id }).from(note).limit(1))
      return one(
        await db
          .with(cte)
          .update(note)
          .set({ body: 'first' })
          .where(inArray(note.id, sql`(select id from ${cte})`))
          .returning({ who }),
      )
    },
    'with().delete': async (db) => {
      const cte = db.$with('cte').as(db.select({ id: note.id }).from(note).where(eq(note.id, -1)))
      await db
        .with(cte)
        .delete(note)
        .where(inArray(note.id, sql`(select id from ${cte})`))
      return 'primary'
    },
    'drizzle-orm#4185: a writing CTE': async (db) => {
      const cte = db.$with('cte').as(db.insert(note).values({ body: 'cte' }).returning({ id: note.id }))
      return one(await db.with(cte).select({ who }).from(cte))
    },
    'a writing CTE, raw': async (db) =>
      raw(
        await db.execute(
          sql`with n as (insert into note (body) values ('raw') returning id) select ${who} as who from n`,
        ),
      ),
    ...Object.fromEntries(
      (['update', 'no key update', 'share', 'key share'] as const).map((strength): [string, Statement] => [
        `for ${strength}`,
        async (db) => one(await db.select({ who }).from(note).where(eq(note.id, 1)).for(strength)),
      ]),
    ),
    'for update skip locked': async (db) =>
      one(await db.select({ who }).from(note).limit(1).for('update', { skipLocked: true })),
    'for update in a subquery': async (db) => {
      const locked = db.select({ id: note.id }).from(note).limit(1).for('update').as('locked')
      return one(await db.select({ who }).from(locked))
    },
    nextval: async (db) => one(await db.select({ next: sql`nextval('ticket')`, who }).from(server)),
    'nextval of a pgSequence': async (db) => {
      const { seqName } = core.pgSequence('ticket')
      return one(await db.select({ next: sql`nextval(${seqName})`, who }).from(server))
    },
    'setval of a pgSequence, raw': async (db) => {
      const { seqName } = core.pgSequence('ticket')
      return raw(await db.execute(sql`select setval(${seqName}, 7), ${who} as who`))
    },
    'a sequence, read as a table': async (db) =>
      raw(await db.execute(sql`select last_value, ${who} as who from ${sql.identifier('ticket')}`)),
    'an advisory lock': async (db) =>
      one(await db.select({ got: sql`pg_try_advisory_xact_lock(42)`, who }).from(server)),
    'a prepared insert': async (db) => {
      const prepared = db
        .insert(note)
        .values({ body: placeholder('body') })
        .returning({ who })
        .prepare('add_note')
      return one(await prepared.execute({ body: 'prepared' }))
    },
    'execute(insert)': async (db) =>
      raw(await db.execute(sql`insert into note (body) values (${'raw'}) returning ${who} as who`)),
    refreshMaterializedView: async (db) => {
      await db.refreshMaterializedView(noteCount)
      return 'primary'
    },
  }
  return { reads, writes }
}
