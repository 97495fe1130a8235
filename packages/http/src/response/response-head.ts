import { type ServerResponse, validateHeaderName, validateHeaderValue } from 'node:http'

/**
 * The head of a response that was not sent yet, in any framework: the smallest subset that we need. Header names are in
 * lower case.
 */
export interface ResponseHead {
  readonly status: number
  /** Replaces the status, also the words beside it; body and headers stay. */
  readonly setStatus: (status: number) => void
  /** The value of a header; several values come as one list with commas; `undefined` when the header is absent. */
  readonly get: (name: string) => string | undefined
  readonly set: (name: string, value: string) => void
  /** Adds one `Set-Cookie` beside those that the app has set. */
  readonly addCookie: (cookie: string) => void
}

/** The head of a Node response that was not sent yet. */
export class NodeHead implements ResponseHead {
  readonly status: number
  readonly #response: ServerResponse

  constructor(response: ServerResponse) {
    this.status = response.statusCode
    this.#response = response
  }

  setStatus(status: number): void {
    this.#response.statusCode = status
    // Node has its own words for a status; HTTP/2 has none.
    Reflect.deleteProperty(this.#response, 'statusMessage')
  }

  get(name: string): string | undefined {
    const value = this.#response.getHeader(name)
    return Array.isArray(value) ? value.join(', ') : value?.toString()
  }

  set(name: string, value: string): void {
    this.#response.setHeader(name, value)
  }

  addCookie(cookie: string): void {
    // A new array: the old one belongs to the app, which may share it between responses.
    const cookies = listOf(this.#response.getHeader('set-cookie'))
    if (!cookies.includes(cookie)) this.#response.setHeader('set-cookie', [...cookies, cookie])
  }
}

/**
 * Puts the headers that `writeHead(status, message?, headers?)` was given on the response, and returns status and message.
 * A header set after this neither replaces those nor is lost behind them.
 *
 * Takes the forms that Node takes: an object, `[name, value, …]` and `[[name, value], …]`.
 */
export function applyHead(response: ServerResponse, args: readonly unknown[]): unknown[] {
  const [status, message] = args
  const headers = headersIn(args)
  if (Array.isArray(headers)) applyList(response, headers)
  else if (typeof headers === 'object' && headers !== null) {
    for (const [name, value] of Object.entries(headers)) if (name !== '') response.setHeader(name, value)
  }
  return typeof message === 'string' ? [status, message] : [status]
}

/**
 * Refuses at once what Node would refuse later, in the headers that `writeHead()` was given. Returns the value of their
 * content-length; `undefined` without one.
 */
export function checkHead(args: readonly unknown[]): unknown {
  const headers = headersIn(args)
  if (typeof headers !== 'object' || headers === null) return undefined
  let length: unknown
  for (const [name, value] of Array.isArray(headers) ? pairsOf(headers) : Object.entries(headers)) {
    const text = String(name)
    if (text === '' || text.startsWith(':')) continue
    validateHeaderName(text)
    for (const each of Array.isArray(value) ? value : [value])
      Reflect.apply(validateHeaderValue, undefined, [text, each])
    if (text.toLowerCase() === 'content-length') length = value
  }
  return length
}

function headersIn([, message, headers]: readonly unknown[]): unknown {
  return typeof message === 'string' ? headers : (headers ?? message)
}

/** As Node does: these headers replace those set before, and a name that comes twice is sent twice. */
function applyList(response: ServerResponse, list: readonly unknown[]): void {
  const given = new Map<string, unknown[]>()
  for (const [name, value] of pairsOf(list)) {
    const key = String(name).toLowerCase()
    const values = Array.isArray(value) ? value : [value]
    given.set(key, [...(given.get(key) ?? [name]), ...values])
  }
  for (const [name, ...values] of given.values()) {
    // Node checks the values.
    if (name !== '') Reflect.apply(response.setHeader, response, [name, values.length === 1 ? values[0] : values])
  }
}

function pairsOf(list: readonly unknown[]): readonly (readonly unknown[])[] {
  if (list.every((entry) => Array.isArray(entry))) return list
  if (list.length % 2 !== 0) {
    const error = new TypeError('writeHead() was given a list of headers with a name that has no value')
    throw Object.assign(error, { code: 'ERR_INVALID_ARG_VALUE' })
  }
  return Array.from({ length: list.length / 2 }, (_, at) => [list[2 * at], list[2 * at + 1]])
}

function listOf(value: string | number | readonly string[] | undefined): readonly string[] {
  if (value === undefined) return []
  return typeof value === 'object' ? value : [String(value)]
}
