/** The same keys, with something else under each. */
export function mapValues<Key extends string, From, To>(
  from: Readonly<Record<Key, From>>,
  to: (value: From) => To,
): Record<Key, To> {
  const entries = Object.entries<From>(from).map(([key, value]) => [key, to(value)])
  return Object.fromEntries(entries) as Record<Key, To>
}
