import type { ClientRequest, ServerResponse } from 'node:http'
import type { Logger, ReplayReason } from '@headwater/core'

/** The request that is to be replayed, as its client sent it. A client chooses all of it: it may name nothing that is contacted. */
export interface OrderedRequest {
  readonly method: string
  /** How the client came, as far as the app can know. */
  readonly scheme: 'http' | 'https'
  /** Host and port as the client named them, checked; `undefined` when it named none, or no valid one. */
  readonly host: string | undefined
  /** Path and query. */
  readonly url: string
}

/** What a replay target is told. */
export interface ReplayOrder {
  /** The primary's region, checked: `[a-z0-9-]`. It is the first of `regions`. */
  readonly region: string
  /** The regions worth trying, in order: the primary's, then the stand-ins of the app. */
  readonly regions: readonly [string, ...string[]]
  /** Signed. It must come back with the replayed request. It holds only the token characters of RFC 9110. */
  readonly state: string
  /** Why the request is replayed. */
  readonly reason: ReplayReason
  readonly request: OrderedRequest
  /** Who is told what is wrong with the target's options; `false`: nobody. Default: `process.emitWarning`. */
  readonly logger?: Logger | false | undefined
}

/** The whole answer that replaces the app's own. `new Response(answer.body, answer)` is that answer, but for its cookies. */
export interface ReplayAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** Each value of `Set-Cookie`, where another region has answered. Default: none. */
  readonly cookies?: readonly string[] | undefined
  /** Default: empty. */
  readonly body?: string | ReadableStream<Uint8Array> | undefined
}

/** The answer of another region, which replaces the app's own on a Node response once it comes. */
export interface ForwardedReplay {
  readonly forwardTo: (response: ServerResponse) => void
}

/** What replaces the app's own answer. */
export type Replacement = ReplayAnswer | ForwardedReplay

/** What a request says about how it got here. A client can forge all of it, until the state is verified. */
export interface Arrival {
  /** The state of the replay that brought the request here; `undefined` when there is none, or it is malformed. */
  readonly state: string | undefined
  /** Whether a replay of this request failed, and the proxy sent it back. */
  readonly hasFailed: boolean
  /** Whether a proxy has sent the request here by what it remembers of an earlier replay, without asking: reads come here too. Default: no. */
  readonly isCached?: boolean | undefined
  /**
   * How long that replay took, in ms, where the proxy says so and names this instance as the one that asked for it. Then it may speak for
   * its region. Default: unknown.
   */
  readonly failedAfterMillis?: number | undefined
  /** Whether the request shows signs of a proxy that replays. */
  readonly isBehindProxy: boolean
}

interface AnyTarget {
  /** Names the target in warnings. */
  readonly name: string
  /**
   * The request headers with which a client sends a request to `region` at once, past the limit for replays. They are put on
   * a 413, and named in its error. Default: none.
   */
  readonly steer?: ((region: string) => Readonly<Record<string, string>>) | undefined
  /** Recognizes a replayed request, and one whose replay failed. `header` takes lower-case names. */
  readonly arrival: (header: (name: string) => string | undefined) => Arrival
}

/**
 * A target that answers: for a proxy that replays (Fly, nginx, HAProxy, Envoy, Caddy), or for the client (a redirect).
 *
 * Both methods must be pure and must not throw.
 *
 * @example
 * const accelRedirect: ReplayTarget = {
 *   name: 'x-accel',
 *   answer: ({ region, state }) => ({ status: 200, headers: { 'x-accel-redirect': `/replay/${region}/${state}` } }),
 *   arrival: (header) => ({ state: header('x-replayed'), hasFailed: false, isBehindProxy: true }),
 * }
 */
export interface AnsweringTarget extends AnyTarget {
  /** Makes the answer that says "replay this"; `undefined` where none of the regions can be named: then the replay has failed (P8). */
  readonly answer: (order: ReplayOrder) => ReplayAnswer | undefined
  readonly connect?: undefined
}

/** A target that forwards: this instance sends the request on by itself, and its client gets the answer from there. `forward()` makes one. */
export interface ForwardingTarget extends AnyTarget {
  /**
   * Opens the way to the first region that can be reached: a request on a connection that stands, of which nothing was sent.
   * Method and path are set; the headers and the body are put on it by whoever asks. Rejects when no region can be reached.
   */
  readonly connect: (order: ReplayOrder) => Promise<ClientRequest>
  readonly answer?: undefined
}

/** How a request gets to the primary's region (P9). `flyReplay()` is the one for Fly, and the default. */
export type ReplayTarget = AnsweringTarget | ForwardingTarget
