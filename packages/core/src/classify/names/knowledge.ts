import type { Access, AccessReason } from '../../statement/statement.ts'
import { NameFilter } from './name-filter.ts'

/** What is known about one function, operator or relation. */
export interface Known {
  readonly access: Access
  readonly reason: AccessReason
  /** A function that runs text which it is given: `access` holds where that is constant, any other call is a `write`. */
  readonly runsArguments?: boolean
}

/**
 * What the text cannot show: functions, operators and relations of one database. Names come as Postgres folds them;
 * `schema` is `undefined` where the text is unqualified. Pure lookups: no I/O, no clock, same answer for the same name.
 *
 * A `reason` of `'override'` is the user's own word and decides alone; anything else can only make the verdict on one
 * of Postgres's own functions stricter (a user's `lower(mytype)` beside `pg_catalog.lower`).
 */
export interface Knowledge {
  findFunction(schema: string | undefined, name: string): Known | undefined
  findOperator(schema: string | undefined, name: string): Known | undefined
  /**
   * Only relations that need more than a read: views that write, unlogged or foreign tables, sequences. Asked where a relation
   * may stand; where there is no `findAttribute`, for `x.f` too: `schema` is then what stands before the dot, or `''` behind a
   * parenthesis.
   */
  findRelation(schema: string | undefined, name: string): Known | undefined
  /** Only functions that need more than a read, and that `x.f` calls when the row x has no column f. */
  findAttribute?(name: string): Known | undefined
  /** Only types whose use needs more than a read: a domain's check that writes, a cast by a function. */
  findType?(schema: string | undefined, name: string): Known | undefined
  /** The strictest of {@link IMPLIED_OPERATORS} between types of Postgres's own; those of other types are known by the type. */
  findImplied?(): Known | undefined
  /** The strictest relation or attribute that a standby would read without a word of refusal: what a name may name that only a value holds. */
  findNamed?(): Known | undefined
  /**
   * Holds every name that `findRelation`, `findAttribute`, `findType` and `findOperator` may know; others are not looked up, which saves
   * most of the time that knowledge costs. Without it each name is. {@link createKnowledge} makes it.
   */
  readonly names?: NameFilter
  /**
   * Present when the whole database is known. A name that is neither known nor in here is newer than the catalog: its effect
   * is not known, and it is not tried on a standby either (R1).
   */
  readonly inventory?: Inventory
}

/** What can be called, or read from, by name. */
export type NameKind = 'function' | 'operator' | 'relation' | 'type'

/** Which names one database has. Of functions and operators only Postgres's own: the others are in {@link Knowledge}. */
export interface Inventory {
  has(kind: NameKind, schema: string | undefined, name: string): boolean
}

/** Entries are keyed `name` or `schema.name`, as Postgres folds them. */
export interface KnowledgeTables {
  readonly functions?: Iterable<readonly [string, Known]>
  readonly operators?: Iterable<readonly [string, Known]>
  readonly relations?: Iterable<readonly [string, Known]>
  readonly types?: Iterable<readonly [string, Known]>
  /** Functions that `x.f` calls when x is a row without such a column. */
  readonly attributes?: Iterable<readonly [string, Known]>
  /** The strictest of {@link IMPLIED_OPERATORS} between types of Postgres's own, when it needs more than a read. */
  readonly implied?: Known | undefined
  /** Present when the tables above are those of the whole database. */
  readonly inventory?: Inventory | undefined
  /** What the user declares, by name: it overrides everything else that is known. */
  readonly overrides?: Readonly<Record<string, Access>>
}

/** From weakest to strongest; a text needs what its strongest part needs. */
export const ACCESS_RANK: Readonly<Record<Access, number>> = { read: 0, unknown: 1, session: 2, write: 3 }

/** The stricter of two; the first when they are equal. */
export function strictest(left: Known, right: Known): Known {
  const difference = ACCESS_RANK[right.access] - ACCESS_RANK[left.access]
  if (difference !== 0) return difference > 0 ? right : left
  if (left.runsArguments !== right.runsArguments && !isGivingWay(right.reason, left.reason))
    return left.runsArguments === true && !isGivingWay(left.reason, right.reason) ? left : right
  return isGivingWay(left.reason, right.reason) ? right : left
}

/** Operators that IN, LIKE, BETWEEN, NULLIF, CASE, USING and the like call, without their signs in the text. */
export const IMPLIED_OPERATORS: readonly string[] = ['=', '<>', '<', '<=', '>', '>=', '~~', '!~~', '~~*', '!~~*', '~']

/** Whether a standby reads it in silence: it refuses what is unlogged, and no value is expected to name a sequence. */
export function isReadInSilence({ access, reason }: Known): boolean {
  return (access === 'write' || access === 'session') && reason !== 'unlogged' && reason !== 'sequence'
}

/** Whether the second of two reasons for `unknown` counts: a standby may be tried with the others, not with what is newer. */
export function isGivingWay(reason: AccessReason, other: AccessReason): boolean {
  return reason !== other && (other === 'newer-than-catalog' || reason === 'override')
}

/**
 * Makes a {@link Knowledge} from tables. `schema.name` entries are found by an unqualified name too; where several
 * schemas have one name, an unqualified call gets the strictest.
 */
export function createKnowledge(tables: KnowledgeTables): Knowledge {
  const functions = index(tables.functions ?? [])
  const operators = index(tables.operators ?? [])
  const relations = index(tables.relations ?? [])
  const types = index(tables.types ?? [])
  const attributes = index(tables.attributes ?? [])
  const overrides = new Map<string, Known>()
  const named = [...relations.values(), ...attributes.values()].find(isReadInSilence)
  for (const [name, access] of Object.entries(tables.overrides ?? {})) {
    overrides.set(name, Object.freeze({ access, reason: 'override' as const }))
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

  function findAttribute(name: string): Known | undefined {
    const attribute = find(attributes, undefined, name)
    return attribute?.access === 'read' ? undefined : attribute
  }

  return Object.freeze({
    findFunction: (schema: string | undefined, name: string) => find(functions, schema, name),
    findOperator: (schema: string | undefined, name: string) => find(operators, schema, name),
    findRelation: (schema: string | undefined, name: string) => find(relations, schema, name),
    findAttribute,
    findImplied: () => tables.implied,
    findNamed: () => named,
    findType: (schema: string | undefined, name: string) =>
      types.get(schema === undefined ? name : `${schema}.${name}`),
    names: createNameFilter([operators, relations, types, attributes, overrides]),
    ...(tables.inventory === undefined ? {} : { inventory: tables.inventory }),
  })
}

/** Every name that a lookup may ask for: behind each dot, as a schema may have one in its name, and so may a function. */
function createNameFilter(tables: readonly ReadonlyMap<string, Known>[]): NameFilter {
  const names = new NameFilter()
  for (const table of tables) {
    for (const key of table.keys()) {
      names.add(key)
      for (let dot = key.indexOf('.'); dot >= 0; dot = key.indexOf('.', dot + 1)) names.add(key.slice(dot + 1))
    }
  }
  return names
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
