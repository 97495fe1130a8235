import { nameAndBrand } from './headwater-error.ts'
import { PrimaryUnavailable } from './primary-unavailable.ts'

/**
 * Several servers accept writes on one timeline, so nothing was sent to any (X7). Nobody writes until one of them is gone or an
 * outside authority (`truth`) decides; `cause` is why that could not be asked.
 */
export class PrimaryConflict extends PrimaryUnavailable {
  /** The names of those servers in `pool.status()`. */
  readonly servers: readonly string[]

  constructor(servers: readonly string[], cause?: unknown) {
    const why = cause === undefined ? '' : ', and the truth that decides between them cannot be reached'
    const message = `${servers.join(' and ')} accept writes on one timeline${why}; nothing was sent. Stop or rebuild all but one of them.`
    super(cause, 'HEADWATER_PRIMARY_CONFLICT', message)
    this.servers = servers
  }

  static {
    nameAndBrand(this, 'PrimaryConflict')
  }
}
