import type { Inventory, NameKind } from '@headwater/core/internal'
import type { CatalogRow } from './catalog-query.ts'

/** Which names a database had when its catalog was read: with a schema, and without one in any of them. */
export class CatalogInventory implements Inventory {
  readonly #names: Readonly<Record<NameKind, Map<string | undefined, Set<string>>>> = {
    function: new Map(),
    operator: new Map(),
    relation: new Map(),
    type: new Map(),
  }

  private constructor(rows: readonly CatalogRow[]) {
    for (const { sort, schema, body } of rows) {
      if (!isNameKind(sort, this.#names)) continue
      const names = namesIn(body)
      this.#add(sort, schema, names)
      this.#add(sort, undefined, names)
    }
  }

  /** `undefined` when the rows tell of no names. */
  static of(rows: readonly CatalogRow[]): CatalogInventory | undefined {
    const names = rows.filter(({ kind }) => kind === 'names')
    return names.length === 0 ? undefined : new CatalogInventory(names)
  }

  has(kind: NameKind, schema: string | undefined, name: string): boolean {
    return this.#names[kind].get(schema)?.has(name) === true
  }

  #add(kind: NameKind, schema: string | undefined, names: readonly string[]): void {
    let known = this.#names[kind].get(schema)
    if (known === undefined) {
      known = new Set()
      this.#names[kind].set(schema, known)
    }
    for (const name of names) known.add(name)
  }
}

function isNameKind(sort: string | null, kinds: Readonly<Record<NameKind, unknown>>): sort is NameKind {
  return sort !== null && Object.hasOwn(kinds, sort)
}

function namesIn(body: string | null): readonly string[] {
  const names: unknown = JSON.parse(body ?? '[]')
  return Array.isArray(names) ? names.filter((name) => typeof name === 'string') : []
}
