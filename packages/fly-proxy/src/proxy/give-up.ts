import type { ProxyErrorCode } from '../report/events.ts'

/** Thrown to give up a request: the client gets an empty answer, and the log of `app` gets the reason. */
export class GiveUp extends Error {
  readonly code: ProxyErrorCode
  readonly app: string
  /** The HTTP status for the client, if it is not `errorStatus`. */
  readonly status: number | undefined

  constructor(code: ProxyErrorCode, app: string, message: string, status?: number) {
    super(message)
    this.name = 'GiveUp'
    this.code = code
    this.app = app
    this.status = status
  }
}
