/**
 * How much an app leaves to the router (R8).
 *
 * - `safe` (the default): reads go next door, and to the primary after a write in the same scope.
 * - `explicit`: everything goes to the primary but what runs inside `withReplica`.
 * - `eventual`: like `safe`, without the primary after a write; `consistency` is `eventual` too unless it is given.
 */
export type Mode = 'safe' | 'explicit' | 'eventual'
