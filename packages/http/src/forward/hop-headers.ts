/** What belongs to one connection and not to the message (RFC 9110, section 7.6.1), and what our own hop says anew. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'transfer-encoding',
  'upgrade',
  // Node has answered it already.
  'expect',
  'http2-settings',
])

/** Who a client is, as proxies have noted it. A client could name these in its `Connection`, and so pass for the proxy in front (CVE-2022-31813). */
const NOTED_BY_PROXIES = /^(?:forwarded|via|x-forwarded-.*|.*-(?:client|real|connecting)-ip|headwater-.*)$/

/** Header fields by their names, each with all of its values in their order; the names are spelled as they came. */
export type HeaderFields = ReadonlyMap<string, { readonly name: string; readonly values: readonly string[] }>

/** The fields that belong to the message, out of `rawHeaders`. Pseudo headers of HTTP/2 are left out. */
export function endToEndFields(raw: readonly string[]): HeaderFields {
  const fields = new Map<string, { name: string; values: string[] }>()
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const [name = '', value = ''] = [raw[at], raw[at + 1]]
    if (name === '' || name.startsWith(':')) continue
    const key = name.toLowerCase()
    const field = fields.get(key)
    if (field === undefined) fields.set(key, { name, values: [value] })
    else field.values.push(value)
  }
  const named = fields.get('connection')?.values.flatMap((value) => value.toLowerCase().split(',')) ?? []
  for (const name of HOP_BY_HOP) fields.delete(name)
  for (const name of named) if (!NOTED_BY_PROXIES.test(name.trim())) fields.delete(name.trim())
  return fields
}

/** Where a request came from, and what the hop adds to it. */
export interface Hop {
  /** The address of whoever sent the request to this instance; `undefined` when it is gone. */
  readonly peer: string | undefined
  readonly scheme: 'http' | 'https'
  readonly host: string | undefined
  /** The headers of the hop itself, which replace what the client sent under these names. */
  readonly own: Readonly<Record<string, string>>
}

/**
 * The headers of a request that is sent on: all of the client's, the address that it came from behind those that `X-Forwarded-For` and
 * `Forwarded` name, scheme and host where no proxy has named them before, and the headers of the hop.
 */
export function hopHeaders(raw: readonly string[], hop: Hop): ReadonlyMap<string, readonly string[] | string> {
  const fields = endToEndFields(raw)
  const headers = new Map<string, readonly string[] | string>()
  for (const { name, values } of fields.values()) headers.set(name, values.length === 1 ? (values[0] ?? '') : values)
  const set = (name: string, value: string): void => {
    headers.delete(fields.get(name)?.name ?? name)
    headers.set(name, value)
  }
  const append = (name: string, value: string): void => {
    set(name, [...(fields.get(name)?.values ?? []), value].join(', '))
  }
  const { peer, scheme, host } = hop
  // This hop carries trailers, and whoever is asked may leave them out where nobody says so.
  if (wantsTrailers(raw)) {
    headers.set('te', 'trailers')
    headers.set('connection', 'keep-alive, te')
  }
  if (host !== undefined) set('host', host)
  if (peer !== undefined) append('x-forwarded-for', peer)
  if (!fields.has('x-forwarded-proto')) set('x-forwarded-proto', scheme)
  if (!fields.has('x-forwarded-host') && host !== undefined) set('x-forwarded-host', host)
  // Only where somebody uses it: two lists that contradict each other help nobody.
  if (fields.has('forwarded')) append('forwarded', forwardedElement(hop))
  append('via', '1.1 headwater')
  for (const [name, value] of Object.entries(hop.own)) set(name, value)
  return headers
}

function wantsTrailers(raw: readonly string[]): boolean {
  return raw.some((value, at) => at % 2 === 1 && raw[at - 1]?.toLowerCase() === 'te' && /\btrailers\b/i.test(value))
}

/** One element of `Forwarded` (RFC 7239): an IPv6 address is quoted, in brackets. */
function forwardedElement({ peer = 'unknown', scheme, host }: Hop): string {
  const from = peer.includes(':') ? `"[${peer}]"` : peer
  return `for=${from};proto=${scheme}${host === undefined ? '' : `;host="${host}"`}`
}
