import { createRequire } from 'node:module'

let known: string | undefined

/** The version of this package; `unknown` where a bundler has taken it apart. */
export function ownVersion(): string {
  known ??= readVersion()
  return known
}

function readVersion(): string {
  try {
    const { version } = createRequire(import.meta.url)('@headwater/http/package.json') as { readonly version?: unknown }
    return typeof version === 'string' ? version : 'unknown'
  } catch {
    return 'unknown'
  }
}
