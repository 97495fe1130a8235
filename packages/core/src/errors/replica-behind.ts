import { HeadwaterError, nameAndBrand } from './headwater-error.ts'

/** No replica next door had what the token has seen, and the job said to come back later instead of asking the primary. */
export class ReplicaBehind extends HeadwaterError {
  constructor() {
    super(
      'HEADWATER_REPLICA_BEHIND',
      'no replica next door has caught up with the token of this job; nothing was read. Run the job again later.',
      { retryable: true },
    )
  }

  static {
    nameAndBrand(this, 'ReplicaBehind')
  }
}
