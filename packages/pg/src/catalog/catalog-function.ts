import { classify, type Known } from '@headwater/core/internal'

/** The verdict on one of Postgres's own functions, by name; `undefined` when it has none of that name. */
export function findCatalogFunction(name: string): Known | undefined {
  const { access, reason } = classify(`select pg_catalog."${name.replaceAll('"', '""')}"()`)
  return reason === 'unseen-function' ? undefined : { access, reason }
}

/** The same, but `unknown` when Postgres has none of that name. */
export function judgeCatalogFunction(name: string): Known {
  return findCatalogFunction(name) ?? { access: 'unknown', reason: 'unseen-function' }
}
