/** A session that was to be had, and led to a server that is not what was wanted: no failure of the server. */
export class WrongServer extends Error {
  /** `what` is what the server is instead. */
  constructor(name: string, what: string) {
    super(`[headwater] ${name} leads to a server that is ${what}, so it takes no writes`)
  }
}
