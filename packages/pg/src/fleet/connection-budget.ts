/** What a server said, when it was asked, about the connections that it takes. */
export interface ServerCapacity {
  /** How many it takes: `max_connections` without the reserved ones. */
  readonly allowed: number
  /** From how many addresses this user is connected to this database: one for each instance, behind no pooler. */
  readonly instances: number
}

/** How many connections a server may be asked for, and how many it takes. */
export interface ConnectionBudget {
  /** The most that this pool holds open to it: `max` and one of its watch, and the same again at `direct`. Reading the catalog takes one more for a moment. */
  readonly own: number
  /** How many instances are connected to it; `undefined` before that was asked, and behind a pooler, which hides them. */
  readonly instances: number | undefined
  /** The most that all instances open to it, if each is configured as this one: `own` × `instances`. */
  readonly needed: number | undefined
  /**
   * How many the server takes: `max_connections` without the reserved ones; `undefined` before that was asked. A lone server
   * without a region is not asked, and none is with `logger: false`.
   */
  readonly allowed: number | undefined
}

/** The connection of the pool's watch, on each way: the one through the pooler is watched too. */
const WATCHES = 1
/** pg's own default of `max`. */
export const DEFAULT_MAX = 10

/** What one server may be asked for. Pure. */
export function connectionBudget(
  max: number | undefined,
  { hasDirect, isDirect }: { readonly hasDirect: boolean; readonly isDirect: boolean },
  capacity: ServerCapacity | undefined,
): ConnectionBudget {
  const own = ((max ?? DEFAULT_MAX) + WATCHES) * (hasDirect ? 2 : 1)
  const instances = isDirect ? capacity?.instances : undefined
  const needed = instances === undefined ? undefined : own * instances
  return Object.freeze({ own, instances, needed, allowed: capacity?.allowed })
}
