/**
 * Codes in Fly's log. PA: the app's replay answer was at fault; PR: no machine was reached; PU02: a machine was reached but broke off.
 */
export type ProxyErrorCode = 'PA01' | 'PA02' | 'PA03' | 'PA04' | 'PA05' | 'PR01' | 'PR03' | 'PR04' | 'PU02'

/** One visit of a request to one machine. Offsets are milliseconds since the request's arrival at its edge. */
export interface Hop {
  readonly app: string
  readonly machine: string
  readonly region: string
  readonly purpose: 'first' | 'cached' | 'replay' | 'fallback'
  readonly startedMillis: number
  /** When the answer's head was back at the edge; for the visit that answers the client: when the answer's end was. */
  readonly endedMillis: number
  /** Round trip between the edge's region and the machine's, as injected. */
  readonly roundTripMillis: number
  /** Time spent waking the machine. */
  readonly wakeMillis?: number
  /** What the machine answered; absent when it was not reached or broke off. */
  readonly status?: number
  readonly replay?: HopReplay
  /** Why no connection came about, and after how many attempts in a row. */
  readonly connectFailure?: { readonly reason: string; readonly attempts: number }
}

/** The replay that a machine asked for; the state itself is not shown, since it may be a secret. */
export interface HopReplay {
  readonly app?: string
  readonly region?: string
  readonly instance?: string
  readonly hasState: boolean
  readonly isElsewhere: boolean
  readonly timeoutMillis?: number
  readonly fallback?: string
}

/** Published once per request, when its last byte is out or its connection is gone. */
export interface RequestEvent {
  readonly type: 'request'
  readonly requestId: string
  /** The edge that the client talked to. */
  readonly edge: string
  /** The region that did the edge's work: another one only while the edge's own region is down. */
  readonly servedBy: string
  readonly app: string
  readonly method: string
  readonly path: string
  readonly isUpgrade: boolean
  /** Epoch milliseconds. */
  readonly startedAt: number
  readonly totalMillis: number
  readonly hops: readonly Hop[]
  readonly replays: number
  readonly errorCode?: ProxyErrorCode
  /** What the client saw; absent when it saw no status line. */
  readonly status?: number
  readonly outcome: 'answered' | 'client-aborted' | 'upstream-aborted' | 'proxy-closed'
}

export interface RegionEvent {
  readonly type: 'region'
  readonly region: string
  readonly isDown: boolean
}

export interface MachineEvent {
  readonly type: 'machine'
  readonly machine: string
  readonly region: string
  readonly state: 'stopped' | 'starting' | 'started'
}

/** A line of the log of the app that is at fault. The client never sees it. */
export interface LogEvent {
  readonly type: 'log'
  readonly app: string
  readonly requestId: string
  readonly code?: ProxyErrorCode
  readonly message: string
}

export type ProxyEvent = RequestEvent | RegionEvent | MachineEvent | LogEvent
export type ProxyListener = (event: ProxyEvent) => void
