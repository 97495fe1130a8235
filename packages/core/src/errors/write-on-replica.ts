import { HeadwaterError, nameAndBrand } from './headwater-error.ts'

/** A statement that must not run on a replica was kept from one (R6), or a replica's transaction met one. */
export class WriteOnReplica extends HeadwaterError {
  constructor(message: string, cause?: unknown) {
    super('HEADWATER_WRITE_ON_REPLICA', message, { retryable: false, cause })
  }

  static {
    nameAndBrand(this, 'WriteOnReplica')
  }
}
