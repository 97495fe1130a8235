import type { Logger } from '@headwater/core'
import { warn } from '@headwater/core/internal'

/** How many handlers may end in a row before an adapter that never responds is warned of. */
const MOST_IN_A_ROW = 100

/**
 * Warns, once, of an adapter that runs handlers and never calls `respond()`: its replays and tokens would be lost
 * without a sound. In a correct adapter `respond()` follows each `run()`, so the count never gets far.
 */
export class ForgottenResponses {
  readonly #logger: Logger | false | undefined
  #inARow = 0

  constructor(logger?: Logger | false) {
    this.#logger = logger
  }

  handlerEnded(): void {
    this.#inARow += 1
    if (this.#inARow !== MOST_IN_A_ROW) return
    warn('HEADWATER_NO_RESPOND', { handlers: MOST_IN_A_ROW }, { logger: this.#logger })
  }

  responded(): void {
    this.#inARow = 0
  }
}
