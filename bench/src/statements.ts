/** A statement to judge, named by its shape. */
export interface Sample {
  readonly name: string
  readonly sql: string
}

const COLUMNS = Array.from({ length: 69 }, (_, index) => `"n"."column_${index}" as "column_${index}"`).join(', ')
const PARAMETERS = Array.from({ length: 1000 }, (_, index) => `$${index + 1}`).join(',')
const ROWS = Array.from({ length: 250 }, (_, index) => `($${index * 2 + 1}, $${index * 2 + 2}, now(), 'a ''word''')`)

/** What ORMs send, from the shortest to a bulk insert that no cache holds; in flat strings, as ORMs join them. */
export const SAMPLES: readonly Sample[] = [
  { name: 'short SELECT', sql: 'select "id", "title" from "notes" where "id" = $1' },
  {
    name: 'INSERT',
    sql: 'insert into "note" ("body", "region", "author") values ($1, $2, $3) returning "id"',
  },
  {
    name: 'join SELECT',
    sql:
      'select "n"."id", "n"."body", "n"."created_at", "a"."name" as "author", count("c"."id") as "comments" ' +
      'from "note" as "n" inner join "author" as "a" on "a"."id" = "n"."author_id" ' +
      'left join "comment" as "c" on "c"."note_id" = "n"."id" ' +
      'where "n"."region" = $1 and "a"."name" <> $2 group by 1, 2, 3, 4 order by "n"."created_at" desc limit $3',
  },
  {
    name: 'CTE that updates',
    sql:
      'with "changed" as (update "note" set "body" = $1 where "id" = $2 returning "id", "body") ' +
      'select "c"."id", "a"."name" from "changed" as "c", "author" as "a"',
  },
  {
    name: 'long SELECT',
    sql: `select ${COLUMNS} from "note" as "n" where "n"."id" = $1`,
  },
  { name: 'IN list of 1,000', sql: `select "id", "body" from "note" where "id" in (${PARAMETERS})` },
  {
    name: 'bulk INSERT',
    sql: `insert into "note" ("body", "region", "created_at", "title") values ${ROWS.join(', ')}`,
  },
].map(({ name, sql }) => ({ name, sql: Buffer.from(sql).toString() }))
