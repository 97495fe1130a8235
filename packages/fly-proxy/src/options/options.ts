import type { Latency } from '../distance/latency.ts'
import type { UnquotedValues } from '../replay/fields.ts'
import type { ProxyListener } from '../report/events.ts'

/** An app's process on this machine. */
export interface MachineOptions {
  /** Its `FLY_MACHINE_ID`. Unique in the proxy. */
  readonly id: string
  /** Its `FLY_REGION`. */
  readonly region: string
  /** Where it listens, such as `http://127.0.0.1:3001`. */
  readonly url: string
  /**
   * Whether it is stopped at first, until a request wakes it.
   * @default false
   */
  readonly isStopped?: boolean
  /** Called when a request wakes the machine. Should resolve when it accepts connections. */
  readonly wake?: () => Promise<void>
  /**
   * How long it takes to wake, in milliseconds: one that is suspended resumes sooner than one that is stopped boots.
   * @default the `wakeMillis` of the proxy
   */
  readonly wakeMillis?: number
  /** How many requests it takes at a time. Further ones wait, then get `hardLimitStatus`. Default: no limit. */
  readonly hardLimit?: number
  /**
   * How many requests it takes before others of its region are preferred. It sends nobody to another region. Default: no limit.
   */
  readonly softLimit?: number
}

/** Remembers replays per user session, as `[[http_service.http_options.replay_cache]]` in fly.toml does. */
export interface ReplayCacheRule {
  /**
   * A path, perhaps behind a host: `/api`, `example.com/api`. It ends with `/*` in any case, so `/api`, `/api/` and `/api/*` are the same,
   * and `/apiary` is not covered. The rule with the longest prefix wins.
   */
  readonly pathPrefix: string
  /** At least 10. */
  readonly ttlSeconds: number
  /** Where the session's identity is: in a cookie, or in a header. */
  readonly type: 'cookie' | 'header'
  /** The name of the cookie or header. */
  readonly name: string
  /**
   * Whether `fly-replay-cache-control: skip` goes past the cache.
   * @default false
   */
  readonly allowBypass?: boolean
}

/** An app, and the machines that run it. */
export interface AppOptions {
  /** The first label of the `Host` of its requests. */
  readonly name: string
  readonly machines: readonly MachineOptions[]
  /**
   * The organisation that it belongs to; see `organizations`.
   * @default 'default'
   */
  readonly organization?: string
  /**
   * Its private network. Apps in other networks of its organisation replay to it only where the organisation allows that.
   * @default 'default'
   */
  readonly network?: string
  readonly replayCache?: readonly ReplayCacheRule[]
}

/** Who may replay to the apps of an organisation. Two separate settings, as with Fly. */
export interface OrganizationOptions {
  /**
   * Whether its apps may replay to each other across its networks: `fly orgs cross-network-replays enable`.
   * @default false
   */
  readonly crossNetworkReplays?: boolean
  /**
   * Other organisations whose apps may replay to its own: `fly orgs replay-sources add`.
   * @default []
   */
  readonly replaySources?: readonly string[]
}

/** The points on which Fly's documentation is silent or contradicts itself. Each default is this emulator's choice. */
export interface UndocumentedOptions {
  /**
   * The largest request body that can be replayed, in bytes. Four of Fly's pages say 1 MB, its error page 10 MB, and none whether that is
   * 1,000,000 or 1,048,576.
   * @default 1_048_576
   */
  readonly bufferLimit?: number
  /**
   * Whether a body of unknown length (chunked) can be replayed if it fits.
   * @default true
   */
  readonly replayChunkedBodies?: boolean
  /**
   * How many times one request may be replayed; one more is PA02. Fly documents 10.
   * @default 10
   */
  readonly maxReplays?: number
  /**
   * The longest `state`, in bytes; a longer one is PA03.
   * @default 1024
   */
  readonly stateMaxBytes?: number
  /**
   * What a field does that Fly does not document: PA03, or nothing.
   * @default 'reject'
   */
  readonly unknownFields?: 'reject' | 'ignore'
  /**
   * What a value without quotes may be: an RFC 9110 token, or anything except `;`, `,` and quotes.
   * @default 'token'
   */
  readonly unquotedValues?: UnquotedValues
  /**
   * What happens when a request that came back by fallback is answered with a replay: an error, or one more replay.
   * @default 'error'
   */
  readonly fallbackReplay?: 'error' | 'allow'
  /**
   * Which machine `fly-replay-src` names after a second replay: the latest sender, or the first.
   * @default 'replace'
   */
  readonly replaySrc?: 'replace' | 'keep-first'
  /**
   * Whether the client gets the `Set-Cookie` of a replay answer.
   * @default false
   */
  readonly keepSetCookie?: boolean
  /**
   * Whether a machine gets a client's own `fly-replay-src` and the like. Use true to test an app against forgery.
   * @default false
   */
  readonly trustClientHeaders?: boolean
  /**
   * The HTTP status when the proxy gives up.
   * @default 502
   */
  readonly errorStatus?: number
  /**
   * The HTTP status when every machine stayed at its hard limit.
   * @default 503
   */
  readonly hardLimitStatus?: number
  /**
   * How long the proxy looks for a machine that accepts a connection. Third parties measured the default.
   * @default 7500
   */
  readonly noCandidateWaitMillis?: number
  /**
   * How long a stopped machine takes to wake. Third parties measured the default.
   * @default 1400
   */
  readonly wakeMillis?: number
  /**
   * Whether stopped machines come after the running ones, or are ranked by distance like them.
   * @default 'last'
   */
  readonly stoppedMachines?: 'last' | 'by-distance'
  /**
   * How long a cached replay lives whose answer has no `fly-replay-cache-ttl-secs`. At least 10.
   * @default 60
   */
  readonly cacheTtlSeconds?: number
  /**
   * What happens to a cache directive that is not allowed: it is dropped and logged, or PA03. Not allowed are: state,
   * transform, timeout or fallback beside it, a ttl under 10 seconds, a prefix that does not cover the request.
   * @default 'ignore'
   */
  readonly invalidCache?: 'ignore' | 'reject'
  /**
   * What a rule of `replayCache` does with a replay that has state, transform, timeout or fallback. Fly documents that these cannot be
   * cached by a path's directive, and says nothing of rules: not cached and logged, cached all the same, or PA03.
   * @default 'ignore'
   */
  readonly sessionCacheUnfit?: 'ignore' | 'store' | 'reject'
}

/** The options of `createFlyProxy`. They are checked once; an unknown one is an error. */
export interface FlyProxyOptions extends UndocumentedOptions {
  /** A request goes to the app that the first label of its `Host` names, else to the first app. */
  readonly apps: readonly AppOptions[]
  /** By their names. Default: none allows anything. */
  readonly organizations?: Readonly<Record<string, OrganizationOptions>>
  /** The regions that have an edge. Default: those of the machines. */
  readonly edges?: readonly string[]
  /** The port of each region's edge. Default: free ones, chosen by the operating system. */
  readonly ports?: Readonly<Record<string, number>>
  /**
   * The address on which the edges listen.
   * @default '127.0.0.1'
   */
  readonly host?: string
  /**
   * The round-trip time to inject between regions.
   * @default 'none'
   */
  readonly latency?: Latency
  /**
   * What machines are told in `X-Forwarded-Proto`. The edges themselves speak plain HTTP.
   * @default 'http'
   */
  readonly scheme?: 'http' | 'https'
  /**
   * Whether answers go out without `Server`, `Via` and `Fly-Request-Id`, as with `response.pristine` in fly.toml.
   * @default false
   */
  readonly isPristine?: boolean
  /** A listener from the start, as if given to `subscribe`. */
  readonly onEvent?: ProxyListener
  /** Gets each line that Fly would write to the app's log. */
  readonly onLog?: (line: { app: string; code?: string; message: string; requestId: string }) => void
}

/** The options after they were checked: every default filled in. */
export interface ProxySettings extends Required<UndocumentedOptions> {
  readonly apps: readonly AppOptions[]
  readonly organizations: Readonly<Record<string, OrganizationOptions>>
  readonly edges: readonly { readonly region: string; readonly port: number }[]
  readonly host: string
  readonly latency: Latency
  readonly scheme: 'http' | 'https'
  readonly isPristine: boolean
}
