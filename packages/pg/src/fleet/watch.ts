import type { Lsn } from '@headwater/core/internal'
import type pg from 'pg'

/** The connection that was asked, and when, in ms of this process's monotonic clock: the answer was true at some time between. */
export interface Asked {
  readonly connection: object
  readonly sentAt: number
  readonly receivedAt: number
}

/** A wait that runs in the server, from one major version on. */
export interface ServerWait {
  readonly waitsFrom: number
  /** The statement that the server answers once it has reached `target`, or `patienceMillis` later. */
  readonly text: (target: Lsn, patienceMillis: number) => string
  /** What the answer means; `undefined` when this server will never reach it. */
  readonly read: (answer: string | null | undefined) => 'there' | 'not-yet' | undefined
}

/**
 * How a connection of a watch failed. `lost`: one that had answered broke, which happens to a healthy server too. `refused`: none
 * could be made. `silent`: no answer came in time.
 */
export type Failure = 'lost' | 'refused' | 'silent'

/** What a watcher asks its server repeatedly. */
export interface Watch<Sample> {
  /** The settings of the connection. */
  readonly config: pg.PoolConfig
  /** The query to send on a connection. */
  readonly textFor: (connection: object, now: number) => string
  /** Makes a sample of the answer's only row. */
  readonly read: (row: readonly (string | null)[], asked: Asked) => Sample
  /** How far the server is, where a sample says so: who waits for more is not asked. */
  readonly positionOf?: (sample: Sample) => Lsn | undefined
  /** The pause between two questions while no caller waits, in ms; asked each time. */
  readonly pause: () => number
  /**
   * How to let the server itself wait, where it can.
   *
   * @default the server is asked every 10 ms
   */
  readonly wait?: ServerWait
  /** Called when a connection could not be made, or broke, or gave no answer. */
  readonly onFailure: (failure: Failure, error: unknown) => void
  /**
   * How long a connection or an answer may take, in ms; then the connection is given up.
   *
   * @default 5_000
   */
  readonly timeoutMillis?: number
  /** After how long an open question is overdue, in ms, and who is told. Default: nobody. */
  readonly overdueAfterMillis?: number
  readonly onOverdue?: () => void
  /** Whether the watch is wanted although nobody looks at its sample. */
  readonly isUsed?: () => boolean
  /**
   * How long the watch goes on after the last look.
   *
   * @default 60_000
   */
  readonly patienceMillis?: number
  /**
   * How long one connection is asked before it is made anew, in ms; asked each time. For an address that may lead elsewhere later.
   *
   * @default as long as it lasts
   */
  readonly renewAfter?: () => number
  /** Called when the watch has stopped for lack of looks: what was learnt may be long out of date at the next one. */
  readonly onRest?: () => void
}
