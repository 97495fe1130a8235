import { randomBytes } from 'node:crypto'
import { endToEndHeaders, type HeaderList, headerOf, withHeaders, withoutHeaders } from '../http/headers.ts'
import { formatReplayFields } from '../replay/fields.ts'

/** Headers that only the proxy may send to a machine. */
export const proxyOnlyHeaders: ReadonlySet<string> = new Set([
  'fly-replay-src',
  'fly-replay-failed',
  'fly-replay-cache-status',
  'fly-preferred-instance-unavailable',
])

/** What the edge knows of a request and its connection. */
export interface ForwardingFacts {
  readonly requestId: string
  readonly edgeRegion: string
  readonly edgeAddress: string
  readonly edgePort: number
  readonly clientAddress: string
  readonly scheme: 'http' | 'https'
  readonly isClientTrusted: boolean
}

/** The client's headers as a machine gets them: without those that a client may not set, plus those that Fly's proxy adds. */
export function forwardedHeaders(raw: HeaderList, facts: ForwardingFacts): HeaderList {
  const sent = endToEndHeaders(raw)
  // Trailers, `Expect: 100-continue` and HTTP/2 upgrades end at the proxy, which answers them itself.
  const dropped = facts.isClientTrusted ? new Set(['expect']) : new Set([...proxyOnlyHeaders, 'expect'])
  const via = headerOf(sent, 'via')
  const forwardedFor = headerOf(sent, 'x-forwarded-for')
  const isSecure = facts.scheme === 'https'
  return withHeaders(withoutHeaders(sent, dropped), [
    ['Fly-Client-IP', facts.clientAddress],
    ['Fly-Forwarded-Port', String(facts.edgePort)],
    ['Fly-Forwarded-Proto', facts.scheme],
    ['Fly-Region', facts.edgeRegion],
    ['Fly-Request-Id', facts.requestId],
    ['Via', via === undefined ? viaFly : `${via}, ${viaFly}`],
    ['X-Forwarded-For', [forwardedFor, facts.clientAddress, facts.edgeAddress].filter(Boolean).join(', ')],
    // "May be set by the client" (request-headers, 28 January 2026); Fly-Forwarded-Port is always the true one.
    ['X-Forwarded-Port', headerOf(sent, 'x-forwarded-port') ?? String(facts.edgePort)],
    ['X-Forwarded-Proto', facts.scheme],
    ['X-Forwarded-SSL', isSecure ? 'on' : 'off'],
  ])
}

const viaFly = '1.1 fly.io'

/** The answer's headers as the client gets them; `passes` is 2 once the request was replayed. */
export function answerHeaders(raw: HeaderList, requestId: string, passes: 1 | 2, isPristine: boolean): HeaderList {
  const headers = endToEndHeaders(raw)
  if (isPristine) return headers
  const via = [headerOf(headers, 'via'), ...Array<string>(passes).fill(viaFly)].filter(Boolean).join(', ')
  return withHeaders(headers, [
    ['Server', 'Fly/emulator'],
    ['Via', via],
    ['Fly-Request-Id', requestId],
  ])
}

/** The value of `fly-replay-src`: which machine asked for the replay, when, and its state. */
export function replaySource(sender: { id: string; region: string }, nowMillis: number, state?: string): string {
  return formatReplayFields([
    ['instance', sender.id],
    ['region', sender.region],
    ['t', String(Math.round(nowMillis * 1000))],
    ...(state === undefined ? [] : [['state', state] as const]),
  ])
}

const crockford = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

/** `<ULID>-<edge>`, as seen on Fly. */
export function newRequestId(nowMillis: number, edge: string): string {
  const base32 = (value: bigint, length: number): string =>
    Array.from({ length }, (_, i) => crockford[Number((value >> BigInt(5 * (length - 1 - i))) & 31n)]).join('')
  return `${base32(BigInt(nowMillis), 10)}${base32(BigInt(`0x${randomBytes(10).toString('hex')}`), 16)}-${edge}`
}
