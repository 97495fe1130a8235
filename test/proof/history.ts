/** One thing that a client did, as the client knows it. Times are in ms of one monotonic clock. */
interface Deed {
  readonly client: number
  readonly key: number
  /** When the client asked. */
  readonly invoked: number
  /** When it had the answer, or gave up. */
  readonly completed: number
  /** The edge that it talked to. */
  readonly region: string
  /** The server that answered, as it names itself; `undefined` when none did. */
  readonly node: string | undefined
}

/** What a read showed. */
export interface Read extends Deed {
  readonly kind: 'read'
  readonly outcome: 'ok' | 'failed'
  /** The serial number of the last write that the whole database held in the read's snapshot; 0 before the first. */
  readonly state: number
  /** The serial number of the last write to `key` in the same snapshot; 0 before the first. */
  readonly version: number
  readonly isFromReplica: boolean
  /** Who wrote the last write of that state, as `client/sequence`, `''` before the first; `undefined` where nobody asked. */
  readonly author?: string | undefined
}

/** What a write did. */
export interface Write extends Deed {
  readonly kind: 'write'
  /**
   * `ok`: the client was told that it happened. `failed`: it was told that it did not. `unknown`: it was told nothing that
   * says, so it may have happened, may yet happen, or may not.
   */
  readonly outcome: 'ok' | 'failed' | 'unknown'
  /** Counts the writes of this client. */
  readonly sequence: number
  /** What the primary answered; `undefined` unless `ok`. */
  readonly serial: number | undefined
}

export type Operation = Read | Write

/** A committed write, as the primary's own log has it in the end. */
export interface LogEntry {
  /** Its place in the order of all writes: 1, 2, 3 … */
  readonly serial: number
  readonly key: number
  readonly client: number
  readonly sequence: number
}

/**
 * What happened. Writes are numbered by the primary, under the lock of one row that is held until the commit: so their
 * numbers are in the order of the commits, and one number names a state of the whole database.
 */
export interface History {
  readonly operations: readonly Operation[]
  /** All committed writes, by serial number. */
  readonly log: readonly LogEntry[]
}
