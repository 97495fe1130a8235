/** The wrappers that ORMs and drivers put around a database error: Drizzle, TypeORM, Sequelize, Prisma, AggregateError. */
const WRAPPER_FIELDS = [
  'cause',
  'originalError',
  'driverError',
  'parent',
  'original',
  'meta',
  'driverAdapterError',
] as const

/**
 * Finds the first error in `error` and what it wraps for which `isWanted` holds.
 *
 * Walks `cause`, `originalError`, `driverError`, `parent`, `original` and `meta`, at most 32 deep, each object once.
 */
export function findInCauses<Found>(
  error: unknown,
  isWanted: (candidate: object) => candidate is Found & object,
): Found | undefined {
  const seen = new Set<object>()
  const queue: unknown[] = [error]
  for (const candidate of queue) {
    if (typeof candidate !== 'object' || candidate === null || seen.has(candidate)) continue
    if (isWanted(candidate)) return candidate
    if (seen.size >= 32) return undefined
    seen.add(candidate)
    for (const field of WRAPPER_FIELDS) queue.push(Reflect.get(candidate, field))
    if (candidate instanceof AggregateError) queue.push(...candidate.errors)
  }
  return undefined
}
