/**
 * The codes in Fly's log. `PA…`: the app's replay answer was wrong. `PR…`: no machine accepted a connection. `PU02`: a machine
 * accepted one and then broke it off.
 */
export type ProxyErrorCode = 'PA01' | 'PA02' | 'PA03' | 'PA04' | 'PA05' | 'PR01' | 'PR03' | 'PR04' | 'PU02'

/** One visit of a request to one machine. Times are milliseconds since the request reached its edge. */
export interface Hop {
  readonly app: string
  readonly machine: string
  readonly region: string
  readonly purpose: 'first' | 'cached' | 'replay' | 'fallback'
  readonly startedMillis: number
  /** When the head of the answer was back at the edge. For the visit that answers the client: when the whole answer was sent. */
  readonly endedMillis: number
  /** The injected round trip between the edge's region and the machine's. */
  readonly roundTripMillis: number
  /** How long the machine took to wake. Absent when it was running. */
  readonly wakeMillis?: number
  /** The HTTP status of the machine's answer. Absent when there was no answer. */
  readonly status?: number
  readonly replay?: HopReplay
  /** Why the machine accepted no connection, and after how many attempts. */
  readonly connectFailure?: { readonly reason: string; readonly attempts: number }
}

/** The replay that a machine asked for. The state itself is left out: it may be a secret. */
export interface HopReplay {
  readonly app?: string
  readonly region?: string
  readonly instance?: string
  readonly hasState: boolean
  readonly isElsewhere: boolean
  readonly timeoutMillis?: number
  readonly fallback?: string
}

/** Published once per request: when its last byte was sent, or its connection was lost. */
export interface RequestEvent {
  readonly type: 'request'
  readonly requestId: string
  /** The edge that the client talked to. */
  readonly edge: string
  /** The region whose edge did the work. Differs from `edge` only while that region is down. */
  readonly servedBy: string
  readonly app: string
  readonly method: string
  readonly path: string
  readonly isUpgrade: boolean
  /** When the request reached its edge, as `Date.now()` gives it. */
  readonly startedAt: number
  readonly totalMillis: number
  readonly hops: readonly Hop[]
  readonly replays: number
  readonly errorCode?: ProxyErrorCode
  /** The HTTP status that the client got. Absent when it got none. */
  readonly status?: number
  readonly outcome: 'answered' | 'client-aborted' | 'upstream-aborted' | 'proxy-closed'
}

/** Published when a region goes down or comes back (`faults.regionDown`, `faults.regionUp`). */
export interface RegionEvent {
  readonly type: 'region'
  readonly region: string
  readonly isDown: boolean
}

/** Published when a machine stops, starts to wake, or is awake. */
export interface MachineEvent {
  readonly type: 'machine'
  readonly machine: string
  readonly region: string
  readonly state: 'stopped' | 'starting' | 'started'
}

/** A line that Fly would write to the log of the app at fault. The client never sees it. */
export interface LogEvent {
  readonly type: 'log'
  readonly app: string
  readonly requestId: string
  readonly code?: ProxyErrorCode
  readonly message: string
}

/** Everything that the proxy tells its listeners. */
export type ProxyEvent = RequestEvent | RegionEvent | MachineEvent | LogEvent
/** Called with each event. An error that it throws does not reach the request; it becomes an uncaught exception. */
export type ProxyListener = (event: ProxyEvent) => void
