/**
 * How much an app leaves to the router (R8).
 *
 * - `automatic` (the default): reads go to a local replica, and to the primary after a write in the same scope.
 * - `opt-in`: everything goes to the primary except what runs inside `withReplica()`.
 */
export type Routing = 'automatic' | 'opt-in'
