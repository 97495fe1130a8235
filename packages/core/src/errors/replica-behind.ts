import { HeadwaterError, nameAndBrand } from './headwater-error.ts'

/** No local replica has caught up with the job's token, and the job's level is `delayed`: run it again later. Nothing was read. */
export class ReplicaBehind extends HeadwaterError {
  constructor() {
    super(
      'HEADWATER_REPLICA_BEHIND',
      'no local replica has caught up with the token of this job; nothing was read. Run the job again later.',
      { retryable: true },
    )
  }

  static {
    nameAndBrand(this, 'ReplicaBehind')
  }
}
