/** A node of a plan, as EXPLAIN (FORMAT JSON, VERBOSE) prints it: what is read here of it. */
export interface PlanNode {
  readonly 'Node Type': string
  readonly 'Parent Relationship'?: string
  readonly 'Index Name'?: string
  readonly 'Index Cond'?: string
  readonly Schema?: string
  readonly Plans?: readonly PlanNode[]
}

/** What bounds the rows that equality on an index's columns finds. */
export interface IndexFacts {
  /** The columns of its key, in order; `null` for an expression. */
  readonly columns: readonly (string | null)[]
  /** Whether no two rows have the same key. */
  readonly isUnique: boolean
  /** How many rows have the commonest value of its first column, by the server's statistics; `null` when it has none. */
  readonly mostRows: number | null
}

/** Names an index in a plan. */
export function indexKey(schema: string | undefined, name: string): string {
  return JSON.stringify([schema, name])
}

/** The indexes that a plan reads, as `indexKey` names them. */
export function indexesIn(plan: PlanNode, schema: string | undefined = plan.Schema): readonly string[] {
  const name = plan['Index Name']
  const own = name === undefined ? [] : [indexKey(schema, name)]
  return [...own, ...(plan.Plans ?? []).flatMap((child) => indexesIn(child, child.Schema ?? schema))]
}

/**
 * How many rows a plan reads at most, whatever its parameters are: for a plan that finds all its rows by keys. Infinity for any other,
 * which may be a bad one for some values.
 */
export function mostRowsRead(
  plan: PlanNode,
  indexes: ReadonlyMap<string, IndexFacts>,
  schema: string | undefined = plan.Schema,
): number {
  const all = plan.Plans ?? []
  const own = all
    .filter((child) => !isBeside(child))
    .map((child) => mostRowsRead(child, indexes, child.Schema ?? schema))
  const beside = all.filter(isBeside).map((child) => mostRowsRead(child, indexes, child.Schema))
  return rowsOf(plan, own, indexes, schema) * (1 + sum(beside))
}

/** A plan that runs once, or once for each row. */
function isBeside(plan: PlanNode): boolean {
  const relationship = plan['Parent Relationship']
  return relationship === 'SubPlan' || relationship === 'InitPlan'
}

function rowsOf(
  plan: PlanNode,
  children: readonly number[],
  indexes: ReadonlyMap<string, IndexFacts>,
  schema: string | undefined,
): number {
  switch (plan['Node Type']) {
    case 'Result':
    case 'Values Scan':
      return children.length === 0 ? 1 : sum(children)
    case 'Index Scan':
    case 'Index Only Scan':
    case 'Bitmap Index Scan':
      return rowsByKey(plan, indexes, schema)
    case 'Nested Loop':
      return children.reduce((product, rows) => product * Math.max(rows, 1), 1)
    default:
      return PASSES_ON.has(plan['Node Type']) && children.length > 0 ? sum(children) : Number.POSITIVE_INFINITY
  }
}

/** What reads nothing itself. */
const PASSES_ON: ReadonlySet<string> = new Set([
  'Aggregate',
  'Append',
  'Bitmap Heap Scan',
  'Group',
  'Hash',
  'Hash Join',
  'Incremental Sort',
  'Limit',
  'LockRows',
  'Materialize',
  'Memoize',
  'Merge Join',
  'ModifyTable',
  'Sort',
  'Subquery Scan',
  'Unique',
  'WindowAgg',
])

function rowsByKey(plan: PlanNode, indexes: ReadonlyMap<string, IndexFacts>, schema: string | undefined): number {
  const facts = indexes.get(indexKey(schema, plan['Index Name'] ?? ''))
  if (facts === undefined) return Number.POSITIVE_INFINITY
  const given = columnsIn(plan['Index Cond'] ?? '')
  const isGiven = (column: string | null | undefined): boolean => typeof column === 'string' && given.has(column)
  if (facts.isUnique && facts.columns.every(isGiven)) return 1
  return isGiven(facts.columns[0]) ? (facts.mostRows ?? Number.POSITIVE_INFINITY) : Number.POSITIVE_INFINITY
}

const CONSTANT = /'(?:[^']|'')*'/g
/** `(n.id = $1)`, `((n.name)::text = $1)`; not `(n.id = ANY ($1))`, whose rows an array bounds. */
const EQUALITY = /\((?:"?[\w$]+"?\.)?"?([\w$]+)"?\)?(?:::[\w ]+)? = (?!ANY\b)/g

function columnsIn(condition: string): ReadonlySet<string> {
  const names = condition.replace(CONSTANT, "''").matchAll(EQUALITY)
  return new Set([...names].map(([, name = '']) => name))
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
