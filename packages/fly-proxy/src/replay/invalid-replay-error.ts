/** A replay answer that breaks the protocol. The proxy logs it as PA03, and the client gets an empty 502. */
export class InvalidReplayError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'InvalidReplayError'
  }
}
