import type { IncomingMessage } from 'node:http'
import { isWildcard } from './wildcard.ts'

/** How much of a path a layer takes, and what stands for what in it. */
interface Taken {
  readonly path?: string | undefined
  readonly params?: Readonly<Record<string, unknown>> | undefined
}

/** The smallest subset of a layer of Express's router, in 4 and 5. Nobody documents it; where it is otherwise no route has a pattern. */
interface Layer extends Taken {
  readonly name: string
  /** Whether it takes this path. Then older ones have the rest on themselves, and newer ones return it. */
  match(path: string): boolean | Taken
  readonly route?: { readonly path: unknown; readonly methods: Readonly<Record<string, boolean>> } | undefined
  /** A router has layers of its own. */
  readonly handle: { readonly stack?: readonly Layer[] }
}

/**
 * The pattern of the route that Express will run for a request, with those of the routers that it is mounted in. Express asks its layers one
 * by one, and has not come to it when our middleware runs: so this asks them in the same order. `undefined` where an app is mounted in an
 * app, which shows nothing of itself, and for a wildcard or a regular expression.
 */
export function expressPatternOf(method: string, url: string, request: IncomingMessage): string | undefined {
  const app: unknown = Reflect.get(request, 'app')
  if (!isObjectOrFunction(app) || Reflect.get(app, 'parent') !== undefined) return undefined
  // Express 4 throws at whoever asks for `router`.
  const router: unknown = Reflect.get(app, '_router') ?? Reflect.get(app, 'router')
  const [path = '/'] = url.split('?', 1)
  try {
    return isObjectOrFunction(router) ? patternIn(layersOf(router), method, path, '') : undefined
  } catch {
    // Express will answer 400: a parameter cannot be decoded.
    return undefined
  }
}

const OPAQUE = Symbol('an app in the app')

function patternIn(layers: readonly Layer[], method: string, path: string, base: string): string | undefined {
  const found = search(layers, method, path, base)
  return found === OPAQUE ? undefined : found
}

function search(
  layers: readonly Layer[],
  method: string,
  path: string,
  base: string,
): string | typeof OPAQUE | undefined {
  for (const layer of layers) {
    const matched = layer.match(path)
    if (matched === false) continue
    const { route, handle } = layer
    const { path: taken = '', params = {} } = matched === true ? layer : matched
    if (layer.name === 'mounted_app') return OPAQUE
    if (route !== undefined) {
      if (!takes(route.methods, method)) continue
      const isPlain = typeof route.path === 'string' && !isWildcard(route.path)
      if (isPlain) return route.path === '/' && base !== '' ? base : `${base}${String(route.path)}`
      // What is for every method of many paths is middleware.
      if (!isForEveryMethod(route.methods)) return OPAQUE
    } else if (handle.stack !== undefined) {
      const rest = path.slice(taken.length)
      const inner = search(
        layersOf(handle),
        method,
        rest.startsWith('/') ? rest : `/${rest}`,
        base + named(taken, params),
      )
      if (inner !== undefined) return inner
    }
  }
  return undefined
}

/** `route.all()` says it in one word; `app.all()` gives a route every method by its name. */
function isForEveryMethod(methods: Readonly<Record<string, boolean>>): boolean {
  return methods['_all'] === true || ['get', 'post', 'delete', 'trace'].every((name) => methods[name] === true)
}

function takes(methods: Readonly<Record<string, boolean>>, method: string): boolean {
  const name = method.toLowerCase()
  return methods['_all'] === true || methods[name] === true || (name === 'head' && methods['get'] === true)
}

/** Part of a path, with the names of its parameters in place of their values. */
function named(taken: string, params: Readonly<Record<string, unknown>>): string {
  const names = new Map(Object.entries(params).map(([name, value]) => [value, name]))
  if (names.size === 0) return taken
  const segments = taken.split('/').map((segment) => {
    const name = names.get(decodeURIComponent(segment))
    return name === undefined ? segment : `:${name}`
  })
  return segments.join('/')
}

function layersOf(router: object): readonly Layer[] {
  const stack: unknown = Reflect.get(router, 'stack')
  return Array.isArray(stack) && stack.every(isLayer) ? stack : []
}

function isLayer(layer: unknown): layer is Layer {
  if (!isObjectOrFunction(layer) || typeof Reflect.get(layer, 'match') !== 'function') return false
  const [handle, route]: readonly unknown[] = [Reflect.get(layer, 'handle'), Reflect.get(layer, 'route')]
  return isObjectOrFunction(handle) && (route === undefined || isObjectOrFunction(route))
}

function isObjectOrFunction(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function'
}
