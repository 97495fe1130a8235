/** How many handlers may end in a row before an adapter that never responds is warned of. */
const MOST_IN_A_ROW = 100

/**
 * Warns, once, of an adapter that runs handlers and never calls `respond()`: its replays and tokens would be lost
 * without a sound. In a correct adapter `respond()` follows each `run()`, so the count never gets far.
 */
export class ForgottenResponses {
  #inARow = 0

  handlerEnded(): void {
    this.#inARow += 1
    if (this.#inARow !== MOST_IN_A_ROW) return
    process.emitWarning(
      `${MOST_IN_A_ROW} handlers have ended, and the HTTP adapter has not called respond() for any of them: writes are not replayed and tokens are not sent; call \`await life.respond(head)\` after \`await life.run(handler)\``,
      { type: 'HeadwaterWarning', code: 'HEADWATER_NO_RESPOND' },
    )
  }

  responded(): void {
    this.#inARow = 0
  }
}
