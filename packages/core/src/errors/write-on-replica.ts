import { HeadwaterError, nameAndBrand } from './headwater-error.ts'

/** A statement that must not run on a replica was refused: inside `withReplica()` (R6), or in a transaction on a replica. Nothing was sent. */
export class WriteOnReplica extends HeadwaterError {
  constructor(message: string, cause?: unknown) {
    super('HEADWATER_WRITE_ON_REPLICA', message, { retryable: false, cause })
  }

  static {
    nameAndBrand(this, 'WriteOnReplica')
  }
}
