import type { Access } from '@headwater/core/internal'
import { checkOverrides } from '../options/overrides.ts'
import type { CatalogTarget } from './catalog-query.ts'
import type { CatalogKnowledge } from './object.ts'

/** Options of {@link loadCatalog}. */
export interface LoadCatalogOptions {
  /**
   * What functions, operators and views do, by name or `schema.name`, spelled as Postgres folds it, such as
   * `{ 'audit.touch': 'write' }`. It overrides the catalog, also for whatever calls them.
   *
   * @default {}
   */
  readonly functions?: Readonly<Record<string, Access>> | undefined
}

/**
 * Reads from a database what a statement's text does not show: which of its functions, operators, views, policies,
 * domains and casts only read, and which relations a standby cannot answer for.
 *
 * Takes one round trip, on any node; needs PostgreSQL 14 or newer. For an unqualified name every schema counts, and of
 * several overloads the strictest. `unknown` means that a standby may be asked without harm; a function that may catch the
 * standby's error, or reaches other servers, is a `write`.
 *
 * @throws {OptionsInvalid} when `functions` is not a record of accesses. Passes on what `target.query` rejects with.
 */
export async function loadCatalog(target: CatalogTarget, options: LoadCatalogOptions = {}): Promise<CatalogKnowledge> {
  const overrides = checkOverrides('functions', options.functions)
  // Loaded when it is needed: a process that starts reads before it knows the catalog.
  const { readKnowledge } = await import('./load.ts')
  return await readKnowledge(target, overrides)
}
