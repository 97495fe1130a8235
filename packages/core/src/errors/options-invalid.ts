import { HeadwaterError, nameAndBrand } from './headwater-error.ts'

/** An option has a wrong value; the message says which option, what was expected, and what to do. */
export class OptionsInvalid extends HeadwaterError {
  /** The path of the option, such as `replicas[0].region`. */
  readonly option: string

  constructor(option: string, message: string) {
    super('HEADWATER_OPTIONS_INVALID', `option ${option}: ${message}`, { retryable: false })
    this.option = option
  }

  static {
    nameAndBrand(this, 'OptionsInvalid')
  }
}
