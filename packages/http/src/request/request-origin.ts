import type { RequestFacts } from './request-facts.ts'

/** A name, an IPv4 address or an IPv6 address in brackets, and a port: nothing that could end a header or a URL's host. */
const HOST = /^(?:[a-z0-9](?:[a-z0-9._-]{0,252})|\[[0-9a-f:.]{2,45}\])(?::\d{1,5})?$/i

/** How the client came and which host it named, as the proxy in front says, else as the request says. Never throws. */
export function originOf({ header, isSecure }: RequestFacts): {
  readonly scheme: 'http' | 'https'
  readonly host: string | undefined
} {
  const forwarded = header('x-forwarded-proto')?.split(',', 1)[0]?.trim().toLowerCase()
  const scheme = forwarded === 'https' || forwarded === 'http' ? forwarded : isSecure ? 'https' : 'http'
  const host = header('host')
  return { scheme, host: host !== undefined && HOST.test(host) ? host : undefined }
}
