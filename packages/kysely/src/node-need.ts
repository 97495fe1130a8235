import type { OperationNode, RootOperationNode, SelectModifier } from 'kysely'

/**
 * What an operation node says of where its statement belongs.
 *
 * - `write`: it needs the primary, whatever its text looks like.
 * - `primary`: it only reads, but a replica that lags behind would mislead it.
 * - `text`: nothing; the SQL text decides.
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

/** What stands behind a SELECT: a standby refuses row locks. */
export const MODIFIER_NEEDS: Readonly<Record<SelectModifier, Exclude<Need, 'primary'>>> = Object.freeze({
  Distinct: 'text',
  ForKeyShare: 'write',
  ForNoKeyUpdate: 'write',
  ForShare: 'write',
  ForUpdate: 'write',
  NoWait: 'text',
  SkipLocked: 'text',
})

/** They hold what the app's users sent, which must not be read as nodes (P7). */
const HOLDS_VALUES: ReadonlySet<string> = new Set(['ValueNode', 'PrimitiveValueListNode'])

/** Says what a statement needs, from its root to the last nested node. A root of an unknown kind is a write. */
export function needOf(root: OperationNode, primaryTables: ReadonlySet<string>): Need {
  const own: Need = Object.hasOwn(ROOT_NEEDS, root.kind) ? Reflect.get(ROOT_NEEDS, root.kind) : 'write'
  // EXPLAIN of a write is a read, EXPLAIN ANALYZE of one is not: that is in the text.
  if (Reflect.get(root, 'explain') !== undefined) return 'text'
  return own === 'text' ? nestedNeed(root, primaryTables) : own
}

function nestedNeed(node: object, primaryTables: ReadonlySet<string>): Need {
  let need: Need = 'text'
  for (const key in node) {
    const child: unknown = Reflect.get(node, key)
    if (typeof child !== 'object' || child === null) continue
    const childNeed = needOfChild(child, primaryTables)
    if (childNeed === 'write') return 'write'
    if (childNeed === 'primary') need = 'primary'
  }
  return need
}

function needOfChild(child: object, primaryTables: ReadonlySet<string>): Need {
  const kind: unknown = Reflect.get(child, 'kind')
  if (typeof kind !== 'string') return Array.isArray(child) ? nestedNeed(child, primaryTables) : 'text'
  if (HOLDS_VALUES.has(kind)) return 'text'
  if (kind === 'SelectModifierNode') {
    const modifier: unknown = Reflect.get(child, 'modifier')
    if (typeof modifier === 'string') return Reflect.get(MODIFIER_NEEDS, modifier) ?? 'write'
  }
  if (kind === 'TableNode') return primaryTables.has(nameOf(child)) ? 'primary' : 'text'
  if (Object.hasOwn(ROOT_NEEDS, kind) && Reflect.get(ROOT_NEEDS, kind) === 'write') return 'write'
  return nestedNeed(child, primaryTables)
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
