import type { Finding } from '@headwater/core/internal'

/** As npm, pnpm and Yarn lay it out. A bundle has no second copy that could be seen. */
const ENTRY = /[\\/]node_modules[\\/]pg[\\/]lib[\\/]index\.js$/

/** A second copy of pg in this process: what the app sets on it, such as type parsers, does not count here. */
export function copyFindings(): Finding[] {
  const loaded = Object.keys(process.getBuiltinModule('node:module').createRequire(import.meta.url).cache)
  const [first, second] = loaded.filter((path) => ENTRY.test(path))
  if (first === undefined || second === undefined) return []
  return [{ code: 'HEADWATER_TWO_COPIES', facts: { name: 'pg', first, second }, about: 'pg' }]
}
