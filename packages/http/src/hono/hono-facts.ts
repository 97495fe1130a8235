import type { IncomingMessage } from 'node:http'
import type { Context } from 'hono'
import { headerIn, type RequestFacts } from '../adapter.ts'
import { isWildcard } from '../routes/wildcard.ts'

/** The facts of a request to Hono. `incoming`: Node's own request, where there is one; it knows the headers without parsing them again. */
export function factsOf(context: Context, incoming: IncomingMessage | undefined): RequestFacts {
  const { method, url } = context.req
  return {
    method,
    // A web-standard request has resolved `..` in its path; Node's own has what the client sent.
    url: pathAndQueryOf(incoming?.url ?? url),
    header: (name) => (incoming === undefined ? headerOf(context, name) : headerIn(incoming, name)),
    isSecure: url.startsWith('https:'),
    pattern: () => patternOf(context),
  }
}

/** A request that no server made, as in a test, has its host in the URL alone. */
function headerOf({ req }: Context, name: string): string | undefined {
  return req.header(name) ?? (name === 'host' ? new URL(req.url).host : undefined)
}

/** Hono has found the route when its middleware runs: the first of what has matched that is no middleware of many paths. */
function patternOf(context: Context): string | undefined {
  const { matchedRoutes } = context.req
  const path = matchedRoutes.find(({ method, path: own }) => method !== 'ALL' || !isWildcard(own))?.path
  return path === undefined || isWildcard(path) ? undefined : path
}

function pathAndQueryOf(url: string): string {
  if (url.startsWith('/')) return url
  const start = url.indexOf('/', url.indexOf('://') + 3)
  return start === -1 ? '/' : url.slice(start)
}
