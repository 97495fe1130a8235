/**
 * What an HTTP framework answers to an error that the app does not catch, as data: an error carries it as `status`,
 * `statusCode`, `headers` and `expose`, the convention of http-errors that Express and Koa read. Core builds no responses.
 */
export type HttpStatus = 413 | 500 | 503

/** The status of each error that has one: by its class, and where a replay is impossible by what speaks against it. */
export const HTTP_STATUS = {
  primaryUnavailable: 503,
  connectionLost: { retryable: 503, final: 500 },
  outcomeUnknown: 500,
  replayImpossible: {
    'at-home': 503,
    'no-request': 500,
    'response-started': 500,
    'already-replayed': 503,
    'body-too-large': 413,
    'body-gone': 500,
    forbidden: 500,
    'replay-failed': 503,
  },
} as const

/**
 * The headers that go with a status: no cache keeps it, and when to come back, where that helps. `retryAfterSeconds` is 1 by
 * default.
 */
export function httpHeadersOf(status: HttpStatus, retryAfterSeconds = 1): Readonly<Record<string, string>> {
  const headers = { 'cache-control': 'no-store' }
  return status === 503 ? { ...headers, 'retry-after': String(retryAfterSeconds) } : headers
}
