/** Why the proxy refused its options or a call. A closed list. A request never fails with one of these. */
export type FlyProxyErrorCode =
  | 'INVALID_OPTION'
  | 'UNKNOWN_REGION'
  | 'UNKNOWN_MACHINE'
  | 'DUPLICATE_MACHINE'
  | 'NOT_LISTENING'
  | 'ALREADY_LISTENING'
  | 'CLOSED'
  | 'LISTEN_FAILED'

/** The only error that this package throws: wrong options, or a call that cannot work. `code` says which. */
export class FlyProxyError extends Error {
  readonly code: FlyProxyErrorCode

  constructor(code: FlyProxyErrorCode, message: string, options?: { cause?: unknown }) {
    super(`[fly-proxy] ${message}`, options)
    this.name = 'FlyProxyError'
    this.code = code
  }
}
