import { nameAndBrand } from './headwater-error.ts'
import { PrimaryUnavailable } from './primary-unavailable.ts'

/**
 * No replica can answer a read, and the reads before it have all of the primary that such reads may take (X3). Nothing was sent.
 *
 * It is a `PrimaryUnavailable` too: 503 with `Retry-After`. `primaryReads` of the pool says how much that is, and how long a read waits.
 */
export class PrimaryBusy extends PrimaryUnavailable {
  constructor() {
    super(undefined, 'HEADWATER_PRIMARY_BUSY')
  }

  static {
    nameAndBrand(this, 'PrimaryBusy')
  }
}
