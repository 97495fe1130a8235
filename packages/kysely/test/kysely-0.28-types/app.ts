// An app on Kysely 0.28; type-checked against 0.28 by ../kysely-0.28-types.test.ts and, as every test, against the newest; never run.
import { HeadwaterDialect, readonlyKysely } from '@headwater/kysely'
import type { RoutedPool } from '@headwater/pg'
import { type Generated, Kysely, sql } from 'kysely'
import Cursor from 'pg-cursor'

interface Database {
  note: { id: Generated<number>; body: string }
}

export async function app(pool: RoutedPool): Promise<string[]> {
  const db = new Kysely<Database>({ dialect: new HeadwaterDialect({ pool, cursor: Cursor }) })
  const read = readonlyKysely(db)
  const notes: { id: number; body: string }[] = await read.selectFrom('note').selectAll().execute()
  const common = read.with('latest', (creator) => creator.selectFrom('note').select('body'))
  const latest: { body: string }[] = await common.selectFrom('latest').select('body').execute()
  await sql`select 1`.execute(read)
  // @ts-expect-error reading only
  read.insertInto('note')
  return [...notes, ...latest].map(({ body }) => body)
}
