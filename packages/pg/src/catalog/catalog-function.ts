import { classify, type Known } from '@headwater/core/internal'

/** The verdict on one of Postgres's own functions, by name; `undefined` when it has none of that name. */
export function findCatalogFunction(name: string): Known | undefined {
  const { access, because } = classify(`select pg_catalog."${name.replaceAll('"', '""')}"()`)
  return because === 'unseen-function' ? undefined : { access, because }
}

/** The same, `unknown` when Postgres has none of that name. */
export function knownOfCatalogFunction(name: string): Known {
  return findCatalogFunction(name) ?? { access: 'unknown', because: 'unseen-function' }
}
