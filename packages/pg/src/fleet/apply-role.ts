import type { ServerRole } from '@headwater/core/internal'
import type { PoolNode } from '../node/pool-node.ts'

/** Makes a server what the election says that it is (X7). */
export function applyRole(node: PoolNode, role: ServerRole): void {
  switch (role) {
    case 'replica':
      // While an address that moves leads to one in recovery, it is on its way: nobody reads there.
      if (node.traits.isMoving) return
      return node.become(role)
    case 'primary':
      return node.become(role)
    case 'fenced':
    case 'foreign':
    // What it shows may be lost with it, and what it acknowledges too.
    case 'conflict':
      return node.retire()
    // A server that was not heard stays what it was; a read-only one gets no writes because none is elected.
    case 'read-only':
    case 'unknown':
  }
}
