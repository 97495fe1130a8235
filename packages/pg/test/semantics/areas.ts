import { CONNECT_AND_RELEASE } from './connect-and-release.ts'
import { ERRORS_AND_TRANSACTIONS } from './errors-and-transactions.ts'
import { EVENTS_AND_END } from './events-and-end.ts'
import { OPTIONS } from './options.ts'
import { POOL_OBJECT } from './pool-object.ts'
import { QUERIES } from './queries.ts'
import { RESULTS } from './results.ts'
import type { Area } from './row.ts'

/** All that is compared, in the order of the page. */
export const AREAS: readonly Area[] = [
  POOL_OBJECT,
  CONNECT_AND_RELEASE,
  QUERIES,
  RESULTS,
  ERRORS_AND_TRANSACTIONS,
  EVENTS_AND_END,
  OPTIONS,
]
