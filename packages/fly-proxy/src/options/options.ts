import type { Latency } from '../distance/latency.ts'
import type { UnquotedValues } from '../replay/fields.ts'
import type { ProxyListener } from '../report/events.ts'

export interface MachineOptions {
  /** `FLY_MACHINE_ID`; unique in the proxy. */
  readonly id: string
  /** `FLY_REGION` of the machine. */
  readonly region: string
  /** Where it listens: `http://127.0.0.1:port`. */
  readonly url: string
  /** Whether it sleeps until a request wakes it. Default false. */
  readonly isStopped?: boolean
  /** Called when a request wakes the machine; should resolve once it accepts connections. */
  readonly wake?: () => Promise<void>
  /** Requests at a time; more of them wait, then get 503. Default none. */
  readonly hardLimit?: number
}

/** Remembers replays per user session: fly.toml's `[[http_service.http_options.replay_cache]]`. */
export interface ReplayCacheRule {
  readonly pathPrefix: string
  /** At least 10. */
  readonly ttlSeconds: number
  readonly type: 'cookie' | 'header'
  readonly name: string
  readonly allowBypass?: boolean
}

export interface AppOptions {
  readonly name: string
  readonly machines: readonly MachineOptions[]
  /** Apps of another network may not replay to this one, unless listed. Default `default`. */
  readonly network?: string
  /** Apps of other networks that may replay to this one. Default none. */
  readonly allowReplaysFrom?: readonly string[]
  readonly replayCache?: readonly ReplayCacheRule[]
}

/** Every point on which Fly's documentation is silent or contradicts itself; each default is the emulator's choice. */
export interface UndocumentedOptions {
  /** Largest request body that can be replayed, bytes. The routing page says 1 MB, the error page 10 MB. Default 1,048,576. */
  readonly bufferLimit?: number
  /** Whether a body of unknown length (chunked), within the limit, can be replayed. Default true. */
  readonly replayChunkedBodies?: boolean
  /** Replays of one request; one more is PA02. Documented as 10. Default 10. */
  readonly maxReplays?: number
  /** Longest `state`, bytes; longer is PA03. Default 1024. */
  readonly stateMaxBytes?: number
  /** A field that the documentation does not have: PA03, or as if absent. Default `reject`. */
  readonly unknownFields?: 'reject' | 'ignore'
  /** Characters of a value without quotes: RFC 9110 tokens, or anything but `;`, `,` and quotes. Default `token`. */
  readonly unquotedValues?: UnquotedValues
  /** A fallback request that answers with a replay again: an error, or one more replay. Default `error`. */
  readonly fallbackReplay?: 'error' | 'allow'
  /** `fly-replay-src` on a second hop: the latest sender, or still the first. Default `replace`. */
  readonly replaySrc?: 'replace' | 'keep-first'
  /** Whether `Set-Cookie` of a replay answer reaches the client. Default false. */
  readonly keepSetCookie?: boolean
  /** Whether a client's own `fly-replay-src` and the like reach the machine; true tests an app against forgery. Default false. */
  readonly trustClientHeaders?: boolean
  /** What the client sees when the proxy gives up. Default 502. */
  readonly errorStatus?: number
  /** What the client sees when every machine stayed at its hard limit. Default 503. */
  readonly hardLimitStatus?: number
  /** How long the proxy looks for a machine that accepts a connection, ms. Default 7500. */
  readonly noCandidateWaitMillis?: number
  /** How long a stopped machine takes to wake, ms. Default 1400. */
  readonly wakeMillis?: number
  /** Whether stopped machines come after the running ones, or are ranked by distance like them. Default `last`. */
  readonly stoppedMachines?: 'last' | 'by-distance'
  /** Life of a cached replay without `fly-replay-cache-ttl-secs`, seconds. Default 60. */
  readonly cacheTtlSeconds?: number
  /** A cache directive that may not be (with state, transform, timeout or fallback; ttl under 10; a foreign path): dropped and logged, or PA03. Default `ignore`. */
  readonly invalidCache?: 'ignore' | 'reject'
}

export interface FlyProxyOptions extends UndocumentedOptions {
  /** A request goes to the app whose name is the first label of its Host, else to the first app. */
  readonly apps: readonly AppOptions[]
  /** Regions that have an edge. Default: those of the machines. */
  readonly edges?: readonly string[]
  /** Port of each region's edge. Default: free ones, asked of the system. */
  readonly ports?: Readonly<Record<string, number>>
  /** Default `127.0.0.1`. */
  readonly host?: string
  /** Distance between regions, as round-trip milliseconds. Default `none`. */
  readonly latency?: Latency
  /** What machines are told in `X-Forwarded-Proto`; the edges themselves speak plain HTTP. Default `http`. */
  readonly scheme?: 'http' | 'https'
  /** Whether answers go out without `Server`, `Via` and `Fly-Request-Id` (fly.toml `response.pristine`). Default false. */
  readonly isPristine?: boolean
  /** Same as `subscribe`, from the start. */
  readonly onEvent?: ProxyListener
  /** Gets what Fly writes into the app's log. */
  readonly onLog?: (line: { app: string; code?: string; message: string; requestId: string }) => void
}

export interface ProxySettings extends Required<UndocumentedOptions> {
  readonly apps: readonly AppOptions[]
  readonly edges: readonly { readonly region: string; readonly port: number }[]
  readonly host: string
  readonly latency: Latency
  readonly scheme: 'http' | 'https'
  readonly isPristine: boolean
}
