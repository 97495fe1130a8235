import type { Access, AccessReason } from '../statement.ts'

/** What is known about one function, operator or relation. */
export interface Known {
  readonly access: Access
  readonly because: AccessReason
}

/**
 * What the text cannot show: functions, operators and relations of one database. Names come as Postgres folds them;
 * `schema` is `undefined` where the text is unqualified. Pure lookups: no I/O, no clock, same answer for the same name.
 *
 * A `because` of `'override'` is the user's own word and decides alone; anything else can only make the verdict on one
 * of Postgres's own functions stricter (a user's `lower(mytype)` beside `pg_catalog.lower`).
 */
export interface Knowledge {
  findFunction(schema: string | undefined, name: string): Known | undefined
  findOperator(schema: string | undefined, name: string): Known | undefined
  /**
   * Only relations that need more than a read: views that write, unlogged or foreign tables, sequences. Also asked for
   * `x.f`, which may call f(x); `schema` is then what stands before the dot, or `''` behind a parenthesis.
   */
  findRelation(schema: string | undefined, name: string): Known | undefined
  /** Only types whose use needs more than a read: a domain's check that writes, a cast by a function. */
  findType?(schema: string | undefined, name: string): Known | undefined
}

/** Entries are keyed `name` or `schema.name`, as Postgres folds them. */
export interface KnowledgeTables {
  readonly functions?: Iterable<readonly [string, Known]>
  readonly operators?: Iterable<readonly [string, Known]>
  readonly relations?: Iterable<readonly [string, Known]>
  /** The user's own word, by name: it beats everything else that is known. */
  readonly overrides?: Readonly<Record<string, Access>>
}

/** From weakest to strongest; a text needs what its strongest part needs. */
export const ACCESS_RANK: Readonly<Record<Access, number>> = { read: 0, unknown: 1, session: 2, write: 3 }

/** The stricter of two; the first when they are equal. */
export function strictest(left: Known, right: Known): Known {
  return ACCESS_RANK[right.access] > ACCESS_RANK[left.access] ? right : left
}

/**
 * Makes a {@link Knowledge} from tables. `schema.name` entries are found by an unqualified name too; where several
 * schemas have one name, an unqualified call gets the strictest.
 */
export function createKnowledge(tables: KnowledgeTables): Knowledge {
  const functions = index(tables.functions ?? [])
  const operators = index(tables.operators ?? [])
  const relations = index(tables.relations ?? [])
  const overrides = new Map<string, Known>()
  for (const [name, access] of Object.entries(tables.overrides ?? {})) {
    overrides.set(name, Object.freeze({ access, because: 'override' as const }))
  }

  function find(table: ReadonlyMap<string, Known>, schema: string | undefined, name: string): Known | undefined {
    const qualified = schema === undefined ? undefined : `${schema}.${name}`
    if (overrides.size > 0) {
      const override = (qualified === undefined ? undefined : overrides.get(qualified)) ?? overrides.get(name)
      if (override !== undefined) return override
      if (qualified === undefined) {
        for (const [key, value] of overrides) if (key.endsWith(`.${name}`)) return value
      }
    }
    return table.get(qualified ?? name)
  }

  return Object.freeze({
    findFunction: (schema: string | undefined, name: string) => find(functions, schema, name),
    findOperator: (schema: string | undefined, name: string) => find(operators, schema, name),
    findRelation: (schema: string | undefined, name: string) => find(relations, schema, name),
  })
}

function index(entries: Iterable<readonly [string, Known]>): ReadonlyMap<string, Known> {
  const table = new Map<string, Known>()
  for (const [key, known] of entries) {
    for (const name of [key, key.slice(key.indexOf('.') + 1)]) {
      const present = table.get(name)
      table.set(name, present === undefined ? known : strictest(present, known))
    }
  }
  return table
}
