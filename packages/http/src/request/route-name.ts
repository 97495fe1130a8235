/** A route's name is a key in memory, so what a client can put into it has a limit. */
const LONGEST = 200
const MOST_SEGMENTS = 12

const HEX = /^[0-9a-f]{8,}$/i
const LONGEST_WORD = 32

/**
 * Names the route of a path: variable segments become `:id`, so that `/notes/1` and `/notes/2` share one record.
 *
 * Variable segments are numbers, UUIDs, hexadecimal strings of 8 or more characters with a digit, strings of 16 or more
 * with two digits, and all strings longer than 32. The query is left out. The name has at most 12 segments and 200
 * characters.
 */
export function routeNameOf(url: string): string {
  const [path = '/'] = url.split('?', 1)
  const segments = path.split('/', MOST_SEGMENTS + 1)
  return segments
    .map((segment) => (isVariable(segment) ? ':id' : segment))
    .join('/')
    .slice(0, LONGEST)
}

function isVariable(segment: string): boolean {
  // A UUID is longer than any word.
  if (segment.length > LONGEST_WORD) return true
  if (!/\d/.test(segment)) return false
  if (/^\d+$/.test(segment) || HEX.test(segment)) return true
  return segment.length >= 16 && /\d.*\d/.test(segment)
}
