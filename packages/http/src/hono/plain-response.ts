/** Headers by name, in any case. */
export type PlainHeaders = Record<string, string>

/** A response as it was given to `new Response()`. */
export interface PlainResponse {
  readonly status: number
  readonly body: string | null
  readonly headers: PlainHeaders
}

/** Where @hono/node-server keeps what a response was made of, until somebody looks into it; found in the first one that has it. */
let cacheKey: symbol | undefined

/**
 * What a response of @hono/node-server was made of, where that is text and a plain object of headers: to ask it for its `headers` would
 * make an object of them that takes longer to write, several times over. `undefined` elsewhere, and where that server keeps it otherwise.
 */
export function plainResponseOf(response: Response): PlainResponse | undefined {
  cacheKey ??= Object.getOwnPropertySymbols(response).find(({ description }) => description === 'cache')
  const kept: unknown = cacheKey === undefined ? undefined : Reflect.get(response, cacheKey)
  if (!Array.isArray(kept) || kept.length !== 3) return undefined
  const [status, body, given]: readonly unknown[] = kept
  if (typeof status !== 'number' || (typeof body !== 'string' && body !== null)) return undefined
  const headers = given ?? (body === null ? {} : { 'Content-Type': 'text/plain; charset=UTF-8' })
  return isPlain(headers) ? { status, body, headers } : undefined
}

function isPlain(headers: unknown): headers is PlainHeaders {
  if (typeof headers !== 'object' || headers === null || Object.getPrototypeOf(headers) !== Object.prototype)
    return false
  for (const name in headers) if (typeof Reflect.get(headers, name) !== 'string') return false
  return true
}
