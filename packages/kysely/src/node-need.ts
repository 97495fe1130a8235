import type { OperationNode, RootOperationNode, SelectModifier } from 'kysely'

/**
 * Where a statement must run, by its operation node.
 *
 * - `write`: at the primary, whatever its text looks like.
 * - `primary`: at the primary although it only reads, because a replica that lags would mislead it.
 * - `text`: the node does not say; the SQL text decides.
 */
export type Need = 'write' | 'primary' | 'text'

/** Every statement that Kysely can build. A new kind in a newer Kysely is a compile error here. */
export const ROOT_NEEDS: Readonly<Record<RootOperationNode['kind'], Exclude<Need, 'primary'>>> = Object.freeze({
  AlterTableNode: 'write',
  AlterTypeNode: 'write',
  CreateIndexNode: 'write',
  CreateSchemaNode: 'write',
  CreateTableNode: 'write',
  CreateTypeNode: 'write',
  CreateViewNode: 'write',
  DeleteQueryNode: 'write',
  DropIndexNode: 'write',
  DropSchemaNode: 'write',
  DropTableNode: 'write',
  DropTypeNode: 'write',
  DropViewNode: 'write',
  InsertQueryNode: 'write',
  MergeQueryNode: 'write',
  RawNode: 'text',
  RefreshMaterializedViewNode: 'write',
  SelectQueryNode: 'text',
  UpdateQueryNode: 'write',
})

/** Every modifier at the end of a SELECT. A standby refuses row locks. */
export const MODIFIER_NEEDS: Readonly<Record<SelectModifier, Exclude<Need, 'primary'>>> = Object.freeze({
  Distinct: 'text',
  ForKeyShare: 'write',
  ForNoKeyUpdate: 'write',
  ForShare: 'write',
  ForUpdate: 'write',
  NoWait: 'text',
  SkipLocked: 'text',
})

/**
 * Nodes without a statement inside. Two of them hold what the app's users sent, which must not be read as nodes (P7); the
 * others are skipped for speed.
 */
const LEAVES: ReadonlySet<unknown> = new Set([
  'ValueNode',
  'PrimitiveValueListNode',
  'ColumnNode',
  'IdentifierNode',
  'OperatorNode',
  'ReferenceNode',
  'SelectAllNode',
])

/** Words in the text that make it worth visiting the nodes inside the statement. */
const SIGNS = ['insert', 'update', 'delete', 'merge', 'share']

/** Says where a statement must run, by its root node and, when its text has one of the signs, by all nodes inside. */
export class NodeNeeds {
  readonly #primaryTables: ReadonlySet<string>
  readonly #signs: RegExp

  constructor(primaryTables: readonly string[]) {
    this.#primaryTables = new Set(primaryTables)
    const names = primaryTables.map((name) => name.replaceAll(/\W/g, '\\$&'))
    this.#signs = new RegExp([...SIGNS, ...names].join('|'), 'i')
  }

  /** `text` is what `root` was compiled to. A root of an unknown kind is a write. */
  of(root: OperationNode, text: string): Need {
    const own = lookUp(ROOT_NEEDS, root.kind) ?? 'write'
    // EXPLAIN of a write is a read, but EXPLAIN ANALYZE of one is not: only the text shows which.
    if ('explain' in root && root.explain !== undefined) return 'text'
    if (own === 'write') return 'write'
    // Looking for the signs takes a tenth of the time of visiting the nodes.
    return this.#signs.test(text) ? nestedNeed(root, this.#primaryTables) : 'text'
  }
}

type Fields = Readonly<Record<string, unknown>>

function nestedNeed(node: object, primaryTables: ReadonlySet<string>): Need {
  const fields = node as Fields
  let need: Need = 'text'
  for (const key in fields) {
    const child = fields[key]
    if (typeof child !== 'object' || child === null) continue
    const childNeed = needOfChild(child as Fields, primaryTables)
    if (childNeed === 'write') return 'write'
    if (childNeed === 'primary') need = 'primary'
  }
  return need
}

function needOfChild(child: Fields, primaryTables: ReadonlySet<string>): Need {
  const { kind, modifier } = child
  if (typeof kind !== 'string') return Array.isArray(child) ? nestedNeed(child, primaryTables) : 'text'
  if (LEAVES.has(kind)) return 'text'
  if (kind === 'TableNode') return primaryTables.has(nameOf(child)) ? 'primary' : 'text'
  if (kind === 'SelectModifierNode' && typeof modifier === 'string') return lookUp(MODIFIER_NEEDS, modifier) ?? 'write'
  return lookUp(ROOT_NEEDS, kind) === 'write' ? 'write' : nestedNeed(child, primaryTables)
}

/** Own properties only: a kind may be called `toString`. */
function lookUp<Value>(table: Readonly<Record<string, Value>>, name: string): Value | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined
}

/** The name of a table, without its schema. */
function nameOf(tableNode: object): string {
  let part: unknown = tableNode
  for (const key of ['table', 'identifier', 'name']) {
    if (typeof part !== 'object' || part === null) return ''
    part = Reflect.get(part, key)
  }
  return typeof part === 'string' ? part : ''
}
