/** What can be wrong with the way the proxy is set up or driven; requests never end in one of these. */
export type FlyProxyErrorCode =
  | 'INVALID_OPTION'
  | 'UNKNOWN_REGION'
  | 'UNKNOWN_MACHINE'
  | 'DUPLICATE_MACHINE'
  | 'NOT_LISTENING'
  | 'ALREADY_LISTENING'
  | 'CLOSED'
  | 'LISTEN_FAILED'

/** A mistake of the person who runs the proxy; `code` is from a closed list. */
export class FlyProxyError extends Error {
  readonly code: FlyProxyErrorCode

  constructor(code: FlyProxyErrorCode, message: string, options?: { cause?: unknown }) {
    super(`[fly-proxy] ${message}`, options)
    this.name = 'FlyProxyError'
    this.code = code
  }
}
