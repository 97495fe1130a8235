/** Headers in the order and case in which they arrived, repeated ones included. */
export type HeaderList = readonly (readonly [name: string, value: string])[]

/** The pairs of Node's flat `rawHeaders`. */
export function fromRawHeaders(raw: readonly string[]): HeaderList {
  const list: [string, string][] = []
  for (let i = 0; i + 1 < raw.length; i += 2) list.push([raw[i] ?? '', raw[i + 1] ?? ''])
  return list
}

/** Node's flat form, which it sends unchanged. */
export function toRawHeaders(headers: HeaderList): string[] {
  return headers.flat()
}

/** All values of a header joined by `, `, or undefined. */
export function headerOf(headers: HeaderList, name: string): string | undefined {
  const values = headers.filter(([key]) => key.toLowerCase() === name)
  return values.length === 0 ? undefined : values.map(([, value]) => value).join(', ')
}

/** The same headers without some names (given in lower case). */
export function withoutHeaders(headers: HeaderList, names: ReadonlySet<string>): HeaderList {
  return headers.filter(([name]) => !names.has(name.toLowerCase()))
}

/** The same headers with some set. Earlier headers of the same name are removed. */
export function withHeaders(headers: HeaderList, set: HeaderList): HeaderList {
  return [...withoutHeaders(headers, new Set(set.map(([name]) => name.toLowerCase()))), ...set]
}

// RFC 9110, 7.6.1: these belong to one connection and end at each proxy.
const connectionHeaders = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]

/** The headers to forward: all except those of this connection and those that `Connection` lists. */
export function endToEndHeaders(headers: HeaderList): HeaderList {
  const listed = (headerOf(headers, 'connection') ?? '').split(',').map((name) => name.trim().toLowerCase())
  return withoutHeaders(headers, new Set([...connectionHeaders, ...listed]))
}
