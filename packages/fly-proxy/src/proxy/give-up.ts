import type { ProxyErrorCode } from '../report/events.ts'

/** Thrown to give a request up: the client gets an empty answer, the log of `app` the reason. */
export class GiveUp extends Error {
  readonly code: ProxyErrorCode
  readonly app: string
  /** What the client sees, if not the usual status. */
  readonly status: number | undefined

  constructor(code: ProxyErrorCode, app: string, message: string, status?: number) {
    super(message)
    this.name = 'GiveUp'
    this.code = code
    this.app = app
    this.status = status
  }
}
