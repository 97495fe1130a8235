/** What an address of a server gives, as far as is known: the one place for what a load balancer or a pooler changes. */
export interface EndpointTraits {
  /** Whether all of its connections lead to one server. Behind a load balancer each may lead to another. */
  readonly isOneServer: boolean
  /** Whether a connection ends when its server does. Behind a pooler it lives on, and leads elsewhere. */
  readonly isDirect: boolean
  /** Whether a session can be made read-only (X1). Behind a pooler that shares its sessions it cannot. */
  readonly keepsReadOnly: boolean
  /** Whether it takes settings in the startup message. */
  readonly takesStartupOptions: boolean
  /** Whether it follows the primary by itself: it leads to one server at a time, and to another after a failover. */
  readonly isMoving: boolean
}

/** What is assumed of a server until it shows otherwise. */
export const ONE_SERVER: EndpointTraits = Object.freeze({
  isOneServer: true,
  isDirect: true,
  keepsReadOnly: true,
  takesStartupOptions: true,
  isMoving: false,
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
    next.isDirect === traits.isDirect &&
    next.keepsReadOnly === traits.keepsReadOnly &&
    next.takesStartupOptions === traits.takesStartupOptions &&
    next.isMoving === traits.isMoving
  return isSame ? traits : next
}
