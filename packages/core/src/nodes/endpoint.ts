/**
 * How what stands in front of a server hands out its sessions. `none`: each connection has a session of its own. `session`: a pooler
 * that gives one for as long as the connection lasts. `transaction`: one for each transaction, which others use in between.
 */
export type Pooling = 'none' | 'session' | 'transaction'

/** What an address of a server gives, as far as is known: the one place for what a load balancer or a pooler changes. */
export interface EndpointTraits {
  /** Whether all of its connections lead to one server. Behind a load balancer each may lead to another. */
  readonly isOneServer: boolean
  /** How its sessions are handed out; `undefined` before that was told or found out (B1). */
  readonly pooling: Pooling | undefined
  /** Whether it takes settings in the startup message. */
  readonly takesStartupOptions: boolean
  /** Whether it follows the primary by itself: it leads to one server at a time, and to another after a failover. */
  readonly isMoving: boolean
  /** Whether it runs transactions of several statements: a pooler in statement mode does not. */
  readonly takesTransactions: boolean
  /**
   * Whether a statement that was prepared under a name is there on the connection's next transaction; `undefined` before that was
   * found out. Behind a pooler that shares its sessions it depends on the pooler.
   */
  readonly keepsStatements: boolean | undefined
}

/** What is assumed of a server until it shows otherwise. */
export const ONE_SERVER: EndpointTraits = Object.freeze({
  isOneServer: true,
  pooling: undefined,
  takesStartupOptions: true,
  isMoving: false,
  takesTransactions: true,
  keepsStatements: undefined,
})

/** What is assumed of a load balancer until it shows otherwise. */
export const LOAD_BALANCER: EndpointTraits = Object.freeze({ ...ONE_SERVER, isOneServer: false })

/** What is assumed of an address that follows the primary. */
export const MOVING: EndpointTraits = Object.freeze({ ...ONE_SERVER, isMoving: true })

/** The traits once `found` was seen; the same object while that changes nothing. */
export function withFound(traits: EndpointTraits, found: Partial<EndpointTraits>): EndpointTraits {
  const next = Object.freeze({ ...traits, ...found })
  const isSame =
    next.isOneServer === traits.isOneServer &&
    next.pooling === traits.pooling &&
    next.takesStartupOptions === traits.takesStartupOptions &&
    next.takesTransactions === traits.takesTransactions &&
    next.keepsStatements === traits.keepsStatements &&
    next.isMoving === traits.isMoving
  return isSame ? traits : next
}

/** Whether a connection ends when its server does. Behind a pooler it lives on, and may lead elsewhere. */
export function isDirect({ pooling }: EndpointTraits): boolean {
  return pooling === undefined || pooling === 'none'
}

/** Whether somebody else may get the session between two transactions (B3). */
export function isShared({ pooling }: EndpointTraits): boolean {
  return pooling === 'transaction'
}
