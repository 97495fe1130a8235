const BRAND = Symbol.for('headwater.error.1')
const PROTOTYPES = Symbol.for('headwater.error.prototypes.1')

/** As the brand, the list is one for all loaded copies of this package. */
function sharedPrototypes(): Set<object> {
  const existing: unknown = Reflect.get(globalThis, PROTOTYPES)
  if (existing instanceof Set) return existing
  const created = new Set<object>()
  Object.defineProperty(globalThis, PROTOTYPES, { value: created, enumerable: false })
  return created
}

const prototypes: Set<object> = sharedPrototypes()

/**
 * The prototypes of the error classes in every copy of this package that is loaded now, for an adapter whose framework
 * expects a method on an error. `instanceof` tells which class one belongs to.
 */
export function errorPrototypes(): ReadonlySet<object> {
  return prototypes
}

/** Every code that a Headwater error can carry. */
export type HeadwaterErrorCode =
  | 'HEADWATER_OPTIONS_INVALID'
  | 'HEADWATER_REPLAY_TO_PRIMARY'
  | 'HEADWATER_REPLAY_IMPOSSIBLE'
  | 'HEADWATER_WRITE_ON_REPLICA'
  | 'HEADWATER_PRIMARY_UNAVAILABLE'
  | 'HEADWATER_PRIMARY_BUSY'
  | 'HEADWATER_PRIMARY_CONFLICT'
  | 'HEADWATER_REPLICA_BEHIND'
  | 'HEADWATER_CONNECTION_LOST'
  | 'HEADWATER_OUTCOME_UNKNOWN'
  | 'HEADWATER_BACKGROUND_ABANDONED'
  | 'HEADWATER_SESSION_UNAVAILABLE'

/**
 * The base of all errors that Headwater raises itself; a database's own error passes through untouched.
 *
 * `instanceof` works across two loaded copies of this package: the brand is a registered symbol.
 *
 * @example
 * if (error instanceof HeadwaterError && error.retryable) queue.retryLater(job)
 */
export class HeadwaterError extends Error {
  /** A stable code that tells errors apart. Own and enumerable, so it survives ORMs that copy fields. */
  readonly code: HeadwaterErrorCode
  /** Whether the same request, sent again later, may succeed without a change to the app. */
  readonly retryable: boolean

  constructor(code: HeadwaterErrorCode, message: string, options: { retryable: boolean; cause?: unknown }) {
    super(`[headwater] ${message}`, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.retryable = options.retryable
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return isBranded(value, this === HeadwaterError ? undefined : this.prototype.name)
  }

  static {
    nameAndBrand(this, 'HeadwaterError')
  }
}

/**
 * Gives an error class its name and its brand, on the prototype: no field per instance.
 *
 * The name is a string of ours, not `class.name`, so that a minifier cannot change what `instanceof` compares.
 */
export function nameAndBrand(errorClass: { readonly prototype: Error }, name: string): void {
  Object.defineProperty(errorClass.prototype, 'name', { value: name, configurable: true, writable: true })
  const inherited: readonly string[] = Reflect.get(errorClass.prototype, BRAND) ?? []
  Object.defineProperty(errorClass.prototype, BRAND, { value: [...inherited, name] })
  prototypes.add(errorClass.prototype)
}

function isBranded(value: unknown, name: string | undefined): boolean {
  if (typeof value !== 'object' || value === null) return false
  const brands: unknown = Reflect.get(value, BRAND)
  return Array.isArray(brands) && (name === undefined || brands.includes(name))
}
