/** The token characters of RFC 9110, or its quoted string without escapes: exactly what Fly documents. */
const PAIR = /^[ \t]*([a-z][a-z0-9_]{0,31})=(?:([!#$%&'*+.^_`|~0-9A-Za-z:-]*)|"([^"\\]*)")[ \t]*$/
const LONGEST = 4096

/**
 * Parses `key=value;key="value"`, the grammar of `fly-replay-src` and `fly-replay-failed`.
 *
 * Returns `undefined` for anything else: another character, a key twice, more than 4,096 characters. Never throws.
 */
export function parseHeaderPairs(value: string | undefined): ReadonlyMap<string, string> | undefined {
  if (value === undefined || value.length === 0 || value.length > LONGEST) return undefined
  const pairs = new Map<string, string>()
  for (const part of value.split(';')) {
    const match = PAIR.exec(part)
    const key = match?.[1]
    if (key === undefined || pairs.has(key)) return undefined
    pairs.set(key, match?.[2] ?? match?.[3] ?? '')
  }
  return pairs
}
