import { OptionsInvalid } from '@headwater/core'
import type { Access } from '@headwater/core/internal'
import { checkOverrides } from './overrides.ts'

/** The default of `refreshAfterMillis`: 10 minutes. */
export const REFRESH_AFTER_MILLIS = 600_000

/** The default of `maxAgeMillis`: 5 s. */
export const MAX_AGE_MILLIS = 5000

/** When `RoutedPool` reads the catalog of its database again. */
export interface CatalogOptions {
  /**
   * Age at which the catalog is read again, at the next statement; in ms, at least 1,000. `Infinity` never reads it again because
   * of its age.
   *
   * @default 600_000
   */
  readonly refreshAfterMillis?: number | undefined
  /**
   * For how long a replica is read without being asked whether its catalog is still the one that was read; in ms, at least 100. So
   * long may a function that somebody else has replaced be taken for what it was. `Infinity` never asks.
   *
   * @default 5000
   */
  readonly maxAgeMillis?: number | undefined
}

/** The same, checked and complete. */
export interface ResolvedCatalog {
  /** Whether the catalog is read at all. `functions` holds either way. */
  readonly isLoaded: boolean
  readonly refreshAfterMillis: number
  readonly maxAgeMillis: number
  readonly functions: Readonly<Record<string, Access>>
}

/**
 * Checks the options `catalog` and `functions`; `isUseful` is the default of `catalog`.
 *
 * @throws {OptionsInvalid} naming the option, what was expected, and what to do.
 */
export function resolveCatalog(
  catalog: boolean | CatalogOptions | undefined,
  functions: Readonly<Record<string, Access>> | undefined,
  isUseful: boolean,
): ResolvedCatalog {
  if (catalog !== undefined && typeof catalog !== 'boolean' && (typeof catalog !== 'object' || catalog === null)) {
    throw new OptionsInvalid(
      'catalog',
      `${JSON.stringify(catalog)} is unknown; expected true, false or { refreshAfterMillis: 600_000 }`,
    )
  }
  const { refreshAfterMillis = REFRESH_AFTER_MILLIS, maxAgeMillis = MAX_AGE_MILLIS } =
    typeof catalog === 'object' ? catalog : {}
  if (typeof refreshAfterMillis !== 'number' || !(refreshAfterMillis >= 1000)) {
    throw new OptionsInvalid(
      'catalog.refreshAfterMillis',
      `${JSON.stringify(refreshAfterMillis)} is not a valid age; expected at least 1000 (in ms), or Infinity for never`,
    )
  }
  if (typeof maxAgeMillis !== 'number' || !(maxAgeMillis >= 100)) {
    throw new OptionsInvalid(
      'catalog.maxAgeMillis',
      `${JSON.stringify(maxAgeMillis)} is not a valid age; expected at least 100 (in ms), or Infinity for never`,
    )
  }
  return Object.freeze({
    isLoaded: typeof catalog === 'boolean' ? catalog : catalog !== undefined || isUseful,
    refreshAfterMillis,
    maxAgeMillis,
    functions: checkOverrides('functions', functions),
  })
}
