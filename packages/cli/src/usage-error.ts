/** A wrong call: the message says why and what to do. Ends the program with 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}
