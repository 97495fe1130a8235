const BRAND = Symbol.for('headwater.error.1')

/** Every code that a Headwater error can carry. */
export type HeadwaterErrorCode =
  | 'HEADWATER_OPTIONS_INVALID'
  | 'HEADWATER_REPLAY_TO_PRIMARY'
  | 'HEADWATER_REPLAY_IMPOSSIBLE'
  | 'HEADWATER_WRITE_ON_REPLICA'
  | 'HEADWATER_PRIMARY_UNAVAILABLE'
  | 'HEADWATER_REPLICA_BEHIND'

/**
 * The base of all errors that Headwater raises itself; a database error that is not ours passes through untouched.
 *
 * `instanceof` works across two loaded copies of this package: the brand is a registered symbol.
 */
export class HeadwaterError extends Error {
  /** Stable, for code that must tell errors apart. Own and enumerable, so it survives ORMs that copy fields. */
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

/** An option was refused at construction; the message says which, what was expected, and what to do. */
export class OptionsInvalid extends HeadwaterError {
  /** The option, as a path (`replicas[0].region`). */
  readonly option: string

  constructor(option: string, message: string) {
    super('HEADWATER_OPTIONS_INVALID', `option ${option}: ${message}`, { retryable: false })
    this.option = option
  }

  static {
    nameAndBrand(this, 'OptionsInvalid')
  }
}

/** A statement that must not run on a replica was kept from one (R6), or a replica's transaction met one. */
export class WriteOnReplica extends HeadwaterError {
  constructor(message: string, cause?: unknown) {
    super('HEADWATER_WRITE_ON_REPLICA', message, { retryable: false, cause })
  }

  static {
    nameAndBrand(this, 'WriteOnReplica')
  }
}

/**
 * No connection to the primary could be made, so nothing was sent; `cause` is the driver's error.
 *
 * Raised where the primary cannot be reached, is full (53300), starting or stopping, or where a pooler in front of it
 * says so (class 08). A login, a database or TLS that is refused is configuration, and a pool without a free place is not
 * the primary's: those errors pass as the driver made them.
 */
export class PrimaryUnavailable extends HeadwaterError {
  /** What an HTTP framework answers when the app does not catch this (the http-errors convention). */
  readonly status = 503
  readonly statusCode = 503
  readonly headers: Readonly<Record<string, string>> = { 'retry-after': '1' }

  constructor(cause: unknown) {
    super('HEADWATER_PRIMARY_UNAVAILABLE', 'no connection to the primary could be made; nothing was sent. Try again.', {
      retryable: true,
      cause,
    })
  }

  /** Hono answers an uncaught error that has this method with its result. */
  getResponse(): Response {
    return new Response('Service Unavailable', { status: this.status, headers: { ...this.headers } })
  }

  static {
    nameAndBrand(this, 'PrimaryUnavailable')
  }
}

/** No replica next door had what the token has seen, and the job said to come back later instead of asking the primary. */
export class ReplicaBehind extends HeadwaterError {
  constructor() {
    super(
      'HEADWATER_REPLICA_BEHIND',
      'no replica next door has caught up with the token of this job; nothing was read. Run the job again later.',
      { retryable: true },
    )
  }

  static {
    nameAndBrand(this, 'ReplicaBehind')
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
}

function isBranded(value: unknown, name: string | undefined): boolean {
  if (typeof value !== 'object' || value === null) return false
  const brands: unknown = Reflect.get(value, BRAND)
  return Array.isArray(brands) && (name === undefined || brands.includes(name))
}

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
