/**
 * Behind a wildcard is another router, or a handler of many things: the path says more. So is a parameter that takes any characters:
 * `{.+}` in Hono, `(.*)` in Express 4.
 */
const WILDCARD = /\*|[{(][^})]*\./

/** Whether a router's pattern stands for more than one route. */
export function isWildcard(pattern: string): boolean {
  return WILDCARD.test(pattern)
}
