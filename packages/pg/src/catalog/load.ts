import { type Access, createKnowledge } from '@headwater/core/internal'
import type { CatalogState } from './catalog-age.ts'
import { CATALOG_QUERY, type CatalogRow, type CatalogTarget } from './catalog-query.ts'
import { CatalogFacts, expression } from './facts.ts'
import { CATALOG_STATE, isStateRefused, parseCatalogState } from './fingerprint.ts'
import { CatalogGraph } from './graph.ts'
import { CatalogInventory } from './inventory.ts'
import { buildKnowledge } from './knowledge.ts'
import type { CatalogKnowledge } from './object.ts'
import { SchemaChangers } from './schema-changers.ts'

/** What is known of a database from one reading. */
export interface CatalogReading {
  readonly knowledge: CatalogKnowledge
  /** The state of the catalog right before: what was read may be newer, never older. `undefined` when the server cannot tell. */
  readonly state: CatalogState | undefined
  readonly changers: SchemaChangers
}

/** Reads the catalog and judges it, in one round trip. */
export async function readKnowledge(
  target: CatalogTarget,
  overrides: Readonly<Record<string, Access>>,
): Promise<CatalogKnowledge> {
  const { rows } = await target.query(CATALOG_QUERY)
  return await judgeCatalog(rows as readonly CatalogRow[], overrides)
}

/** Asks for the state of the catalog, then reads and judges it. */
export async function readCatalog(
  target: CatalogTarget,
  overrides: Readonly<Record<string, Access>>,
): Promise<CatalogReading> {
  const state = await askState(target)
  const rows = (await target.query(CATALOG_QUERY)).rows as readonly CatalogRow[]
  const knowledge = await judgeCatalog(rows, overrides)
  const changers = await SchemaChangers.among(rows, breather())
  return { knowledge, state, changers }
}

async function askState(target: CatalogTarget): Promise<CatalogState | undefined> {
  try {
    const [row] = (await target.query(CATALOG_STATE)).rows
    const { fingerprint, lsn } = Object(row) as Readonly<Record<string, unknown>>
    return parseCatalogState(fingerprint, lsn)
  } catch (error) {
    if (isStateRefused(error)) return undefined
    throw error
  }
}

/** How long the event loop may be held before others get their turn. */
const SLICE_MILLIS = 2

/** Gives others their turn when the event loop was held for long enough. */
function breather(): () => Promise<void> {
  let sliceEnd = performance.now() + SLICE_MILLIS
  return async () => {
    if (performance.now() < sliceEnd) return
    await new Promise((resolve) => setImmediate(resolve))
    sliceEnd = performance.now() + SLICE_MILLIS
  }
}

/** Judges the rows of the catalog, a few ms at a time. */
export async function judgeCatalog(
  rows: readonly CatalogRow[],
  overrides: Readonly<Record<string, Access>>,
): Promise<CatalogKnowledge> {
  const inventory = CatalogInventory.of(rows)
  const graph = new CatalogGraph(createKnowledge({ overrides, inventory }))
  const facts = new CatalogFacts(rows)
  const breathe = breather()
  for (const row of rows) {
    const { kind } = row
    if (kind !== 'policy' && kind !== 'names') graph.add(row.id, kind, row.schema, row.name, facts.evidenceOf(row))
    await breathe()
  }
  for (const { kind, id, body, defaults, refs } of rows) {
    if (kind === 'policy') graph.addTo(id, expression(body, refs))
    if (defaults !== null) graph.addTo(id, expression(defaults, null))
  }
  while (graph.step()) await breathe()
  return buildKnowledge(graph, facts, overrides, inventory)
}
