import { HeadwaterError, nameAndBrand } from './headwater-error.ts'

/** An option was refused at construction; the message says which, what was expected, and what to do. */
export class OptionsInvalid extends HeadwaterError {
  /** The option, as a path (`replicas[0].region`). */
  readonly option: string

  constructor(option: string, message: string) {
    super('HEADWATER_OPTIONS_INVALID', `option ${option}: ${message}`, { retryable: false })
    this.option = option
  }

  static {
    nameAndBrand(this, 'OptionsInvalid')
  }
}
