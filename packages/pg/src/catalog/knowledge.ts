import { type Access, createKnowledge, type Inventory, type Known } from '@headwater/core/internal'
import type { CatalogFacts } from './facts.ts'
import type { CatalogGraph } from './graph.ts'
import type { CatalogKnowledge } from './object.ts'

/** Makes the tables that a classifier looks up, from the judged objects. */
export function buildKnowledge(
  graph: CatalogGraph,
  facts: CatalogFacts,
  overrides: Readonly<Record<string, Access>>,
  inventory: Inventory | undefined,
): CatalogKnowledge {
  const functions: (readonly [string, Known])[] = []
  const operators: (readonly [string, Known])[] = []
  const relations: (readonly [string, Known])[] = []
  const types: (readonly [string, Known])[] = []
  const attributes: (readonly [string, Known])[] = []
  const tables = { function: functions, operator: operators, relation: relations, type: types }
  for (const { id, kind, schema, name, known } of graph.objects) {
    const isRead = known.access === 'read'
    // A relation or a type that is not listed counts as a read.
    if (isRead && (kind === 'relation' || kind === 'type')) continue
    const table = tables[kind]
    table.push([`${schema}.${name}`, known])
    // An entry's schema ends at its first dot, unless the schema has one itself.
    if (schema.includes('.')) table.push([name, known])
    if (!isRead && facts.attributes.has(id)) attributes.push([name, known])
    // `domain(x)` is a cast that looks like a call.
    if (kind === 'type') functions.push([`${schema}.${name}`, known])
  }
  const known = createKnowledge({
    functions,
    operators,
    relations,
    types,
    attributes,
    overrides,
    inventory,
    implied: graph.implied,
  })
  return Object.freeze({
    ...known,
    findType: (schema: string | undefined, name: string) => known.findType?.(schema, name),
  })
}
