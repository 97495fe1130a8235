/** A route's name is a key in memory, so what a client can put into it is bounded. */
const LONGEST = 200
const MOST_SEGMENTS = 12

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i
const HEX = /^[0-9a-f]{8,}$/i
const LONGEST_WORD = 32

/**
 * Names the route of a path: its variable segments become `:id`, so that `/notes/1` and `/notes/2` share one record.
 *
 * Variable are numbers, UUIDs, hexadecimal strings of 8 and more that hold a digit, everything of 16 and more that holds
 * two digits, and everything longer than 32. The query does not count. At most 12 segments and 200 characters.
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
  if (segment === '') return false
  if (segment.length > LONGEST_WORD || /^\d+$/.test(segment) || UUID.test(segment)) return true
  if (HEX.test(segment) && /\d/.test(segment)) return true
  return segment.length >= 16 && /\d.*\d/.test(segment)
}
