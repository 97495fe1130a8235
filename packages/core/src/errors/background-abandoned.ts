import { HeadwaterError, nameAndBrand } from './headwater-error.ts'

/** Work of `inBackground` that was given up: too much of it waited already (`full`), or it took too long (`timed-out`). */
export class BackgroundAbandoned extends HeadwaterError {
  readonly why: 'full' | 'timed-out'

  constructor(why: 'full' | 'timed-out', limit: number) {
    super('HEADWATER_BACKGROUND_ABANDONED', MESSAGES[why](limit), { retryable: true })
    this.why = why
  }

  static {
    nameAndBrand(this, 'BackgroundAbandoned')
  }
}

const MESSAGES: Readonly<Record<BackgroundAbandoned['why'], (limit: number) => string>> = {
  full: (limit) =>
    `${limit} pieces of background work wait already, so this one was not begun. Write less often, or several at once; or raise concurrency in configureBackground().`,
  'timed-out': (limit) =>
    `a piece of background work took more than ${limit} ms and was given up; what it sent may still be done. Pass its signal on, or raise timeoutMillis.`,
}
