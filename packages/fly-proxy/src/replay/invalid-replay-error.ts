/** A replay answer that breaks the protocol: the proxy logs it as PA03 and the client sees an empty 502. */
export class InvalidReplayError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'InvalidReplayError'
  }
}
