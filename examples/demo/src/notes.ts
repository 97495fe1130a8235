import type { QueryResult } from 'pg'

/** Sends one query; `label` is what the page calls it. */
export type Ask = (label: string, text: string, values?: unknown[]) => Promise<QueryResult>

export interface Note {
  readonly id: string
  readonly body: string
  readonly region: string
  readonly views: number
}

export const SCHEMA = `
  create table notes (
    id bigint generated always as identity primary key,
    body text not null,
    region text not null,
    views integer not null default 0,
    written_at timestamptz not null default now()
  );
  create table counters (name text primary key, value bigint not null);
  create table audit (id bigint generated always as identity primary key, note_id bigint not null, what text not null);
  insert into counters values ('notes', 0);
  insert into notes (body, region) values ('The first note, written before anybody came.', 'ams');
`

/** One query: the newest notes. */
export async function listNotes(ask: Ask): Promise<Note[]> {
  const { rows } = await ask('read notes', 'select id, body, region, views from notes order by id desc limit 5')
  return rows
}

/** A transaction of five queries, as an ordinary handler makes them; with BEGIN and COMMIT seven round trips. */
export async function addNote(ask: Ask, body: string, region: string): Promise<{ note: Note; total: string }> {
  return await inTransaction(ask, async () => {
    await ask('read counter', `select value from counters where name = 'notes'`)
    const inserted = await ask('insert note', 'insert into notes (body, region) values ($1, $2) returning id', [
      body,
      region,
    ])
    const id: unknown = inserted.rows[0]?.id
    await ask('count it', `update counters set value = value + 1 where name = 'notes'`)
    await ask('audit it', `insert into audit (note_id, what) values ($1, 'added')`, [id])
    const { rows } = await ask(
      'read it back',
      `select id, body, region, views, (select value from counters where name = 'notes') as total from notes where id = $1`,
      [id],
    )
    const { total, ...note } = rows[0]
    return { note, total }
  })
}

/** A read that turns out to write: looks a note up, then counts that it was seen. */
export async function viewNewestNote(ask: Ask): Promise<Note | undefined> {
  const { rows } = await ask('read note', 'select id from notes order by id desc limit 1')
  const updated = await ask(
    'count the view',
    'update notes set views = views + 1 where id = $1 returning id, body, region, views',
    [rows[0]?.id],
  )
  return updated.rows[0]
}

async function inTransaction<Result>(ask: Ask, work: () => Promise<Result>): Promise<Result> {
  await ask('begin', 'begin')
  try {
    const result = await work()
    await ask('commit', 'commit')
    return result
  } catch (error) {
    // The error that broke the transaction is the one to tell.
    await ask('rollback', 'rollback').catch(() => undefined)
    throw error
  }
}
