import { isWildcard } from './wildcard.ts'

/** The smallest subset of a router of `@koa/router`: what its middleware shows as `router`. */
interface KoaRouter {
  /** Whether it runs one of the routes that match, and not all in turn until one answers. */
  readonly exclusive?: unknown
  readonly opts?: { readonly routerPath?: unknown } | undefined
  matchHost?(host: string): boolean
  match(path: string, method: string): { readonly pathAndMethod: readonly RouterLayer[] }
}

interface RouterLayer {
  readonly path: unknown
  /** None: middleware. */
  readonly methods: readonly string[]
}

/**
 * The pattern of the route that a router of the app will run, the first of what matches. Its middleware has not run yet when ours does, but
 * can be asked. `undefined` without such a router, and for a wildcard or a regular expression.
 */
export function koaPatternOf(
  middleware: readonly unknown[],
  method: string,
  url: string,
  host: string,
): string | undefined {
  const [path = '/'] = url.split('?', 1)
  for (const one of middleware) {
    const router: unknown = typeof one === 'function' ? Reflect.get(one, 'router') : undefined
    if (!isRouter(router) || router.matchHost?.(host) === false) continue
    const route = router.match(path, method).pathAndMethod.find(({ methods }) => methods.length > 0)
    if (route === undefined) continue
    const isKnown = typeof route.path === 'string' && !isWildcard(route.path)
    return isKnown && !isTrue(router.exclusive) && router.opts?.routerPath === undefined
      ? String(route.path)
      : undefined
  }
  return undefined
}

function isTrue(option: unknown): boolean {
  return option !== undefined && option !== false
}

function isRouter(router: unknown): router is KoaRouter {
  return typeof router === 'object' && router !== null && typeof Reflect.get(router, 'match') === 'function'
}
