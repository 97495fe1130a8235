import { OptionsInvalid } from '@headwater/core'
import type { Access } from '@headwater/core/internal'
import { checkOverrides } from './overrides.ts'

/** Age in ms at which the catalog is read again unless the app says otherwise. */
export const REFRESH_AFTER_MILLIS = 600_000

/** How `RoutedPool` keeps what it knows of its database. */
export interface CatalogOptions {
  /** Age in ms at which it is read again, at the next statement. Default 600,000 (10 minutes); at least 1,000. */
  readonly refreshAfterMillis?: number | undefined
}

/** What `RoutedPool` runs on: checked and complete. */
export interface ResolvedCatalog {
  /** Whether the catalog is read at all; the user's own word holds without. */
  readonly isLoaded: boolean
  readonly refreshAfterMillis: number
  readonly functions: Readonly<Record<string, Access>>
}

/**
 * Checks the options `catalog` and `functions`; `isUseful` is what `catalog` is by default.
 *
 * @throws {OptionsInvalid} naming the option, what was expected, and what to do.
 */
export function resolveCatalog(
  catalog: boolean | CatalogOptions | undefined,
  functions: Readonly<Record<string, Access>> | undefined,
  isUseful: boolean,
): ResolvedCatalog {
  if (catalog !== undefined && typeof catalog !== 'boolean' && (typeof catalog !== 'object' || catalog === null)) {
    throw new OptionsInvalid('catalog', `${JSON.stringify(catalog)} is neither true, false nor { refreshAfter }`)
  }
  const { refreshAfterMillis = REFRESH_AFTER_MILLIS } = typeof catalog === 'object' ? catalog : {}
  if (typeof refreshAfterMillis !== 'number' || !(refreshAfterMillis >= 1000)) {
    throw new OptionsInvalid(
      'catalog.refreshAfterMillis',
      `${JSON.stringify(refreshAfterMillis)} is no such age; expected at least 1000 (in ms), or Infinity for never`,
    )
  }
  return Object.freeze({
    isLoaded: typeof catalog === 'boolean' ? catalog : catalog !== undefined || isUseful,
    refreshAfterMillis,
    functions: checkOverrides('functions', functions),
  })
}
