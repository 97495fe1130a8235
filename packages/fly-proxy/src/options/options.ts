import { type Latency, resolveLatency } from '../distance/latency.ts'
import type { UnquotedValues } from '../replay/fields.ts'
import type { ProxyListener } from '../report/events.ts'
import { FlyProxyError } from '../report/fly-proxy-error.ts'

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

const defaults: Required<UndocumentedOptions> = Object.freeze({
  bufferLimit: 1_048_576,
  replayChunkedBodies: true,
  maxReplays: 10,
  stateMaxBytes: 1024,
  unknownFields: 'reject',
  unquotedValues: 'token',
  fallbackReplay: 'error',
  replaySrc: 'replace',
  keepSetCookie: false,
  trustClientHeaders: false,
  errorStatus: 502,
  hardLimitStatus: 503,
  noCandidateWaitMillis: 7500,
  wakeMillis: 1400,
  stoppedMachines: 'last',
  cacheTtlSeconds: 60,
  invalidCache: 'ignore',
})

const choices: Readonly<Record<string, readonly unknown[]>> = {
  unknownFields: ['reject', 'ignore'],
  unquotedValues: ['token', 'any'],
  fallbackReplay: ['error', 'allow'],
  replaySrc: ['replace', 'keep-first'],
  stoppedMachines: ['last', 'by-distance'],
  invalidCache: ['ignore', 'reject'],
  scheme: ['http', 'https'],
}
const ranges: Readonly<Record<string, readonly [least: number, most: number]>> = {
  bufferLimit: [0, 1024 ** 3],
  maxReplays: [0, 1000],
  stateMaxBytes: [0, 65_536],
  errorStatus: [400, 599],
  hardLimitStatus: [400, 599],
  noCandidateWaitMillis: [0, 3_600_000],
  wakeMillis: [0, 3_600_000],
  cacheTtlSeconds: [10, 31_536_000],
}

/** The options, checked and with their defaults, frozen. Throws FlyProxyError. */
export function resolveOptions(options: FlyProxyOptions): ProxySettings {
  const given = Object.fromEntries(Object.entries(options ?? {}).filter(([, value]) => value !== undefined))
  const known = new Set([
    ...Object.keys(defaults),
    ...['apps', 'edges', 'ports', 'host', 'latency', 'scheme', 'isPristine', 'onEvent', 'onLog'],
  ])
  for (const name of Object.keys(given)) {
    if (!known.has(name)) throw invalid(`unknown option "${name}"; the options are ${[...known].join(', ')}`)
  }
  const merged = { ...defaults, scheme: 'http', isPristine: false, ...given } as ProxySettings & FlyProxyOptions
  const values = merged as unknown as Record<string, unknown>
  for (const [name, allowed] of Object.entries(choices)) {
    if (!allowed.includes(values[name]))
      throw invalid(`${name} is ${show(values[name])}; expected ${allowed.map(show).join(' or ')}`)
  }
  for (const [name, [least, most]] of Object.entries(ranges)) {
    const value = values[name]
    if (!Number.isInteger(value) || (value as number) < least || (value as number) > most) {
      throw invalid(`${name} is ${show(value)}; expected a whole number from ${least} to ${most}`)
    }
  }
  for (const name of ['replayChunkedBodies', 'keepSetCookie', 'trustClientHeaders', 'isPristine']) {
    if (typeof values[name] !== 'boolean') throw invalid(`${name} is ${show(values[name])}; expected true or false`)
  }
  const apps = checkApps(options?.apps)
  const machineRegions = apps.flatMap(({ machines }) => machines.map(({ region }) => region))
  const edges = [...new Set(options.edges ?? machineRegions)]
  if (edges.length === 0) throw invalid('no edge: give at least one machine, or edges: ["nrt"]')
  for (const region of edges) checkRegion(region, 'edges')
  for (const [region, port] of Object.entries(options.ports ?? {})) {
    if (!edges.includes(region))
      throw invalid(`ports has "${region}", which is no edge; the edges are ${edges.join(', ')}`)
    if (!Number.isInteger(port) || port < 0 || port > 65_535)
      throw invalid(`ports.${region} is ${show(port)}; expected 0 to 65535`)
  }
  const latency = options.latency ?? 'none'
  resolveLatency(latency, [...edges, ...machineRegions])
  return Object.freeze({
    ...merged,
    apps,
    edges: edges.map((region) => ({ region, port: options.ports?.[region] ?? 0 })),
    host: options.host ?? '127.0.0.1',
    latency,
  })
}

function checkApps(apps: unknown): readonly AppOptions[] {
  if (!Array.isArray(apps) || apps.length === 0) throw invalid('apps is empty; give at least one { name, machines }')
  const seen = new Set<string>()
  const once = (kind: string, name: unknown): void => {
    if (typeof name !== 'string' || !/^[\w.-]+$/.test(name))
      throw invalid(`${kind} is ${show(name)}; expected letters, digits, - _ .`)
    if (seen.has(`${kind} ${name}`)) throw new FlyProxyError('DUPLICATE_MACHINE', `${kind} "${name}" appears twice`)
    seen.add(`${kind} ${name}`)
  }
  for (const app of apps as readonly AppOptions[]) {
    once('app name', app.name)
    if (!Array.isArray(app.machines)) throw invalid(`machines of app ${app.name} is no list`)
    for (const machine of app.machines) {
      once('machine id', machine.id)
      checkRegion(machine.region, `machine ${machine.id}`)
      checkUrl(machine)
      const limit = machine.hardLimit
      if (limit !== undefined && !(Number.isInteger(limit) && limit >= 0))
        throw invalid(`hardLimit of ${machine.id} is ${show(limit)}`)
    }
    for (const rule of app.replayCache ?? []) {
      const isFit = rule.pathPrefix.startsWith('/') && rule.ttlSeconds >= 10 && ['cookie', 'header'].includes(rule.type)
      if (!isFit)
        throw invalid(
          `replayCache of app ${app.name}: expected pathPrefix "/…", ttlSeconds >= 10, type cookie or header`,
        )
    }
  }
  return apps as readonly AppOptions[]
}

function checkRegion(region: unknown, where: string): void {
  if (typeof region === 'string' && /^[a-z0-9-]{1,32}$/.test(region)) return
  throw invalid(`${where}: region is ${show(region)}; expected a code such as "nrt"`)
}

function checkUrl(machine: MachineOptions): void {
  const url = URL.canParse(machine.url) ? new URL(machine.url) : undefined
  if (url?.protocol === 'http:' && url.pathname === '/' && url.search === '' && url.username === '') return
  throw invalid(`url of machine ${machine.id} is not of the form http://127.0.0.1:8080`)
}

function invalid(message: string): FlyProxyError {
  return new FlyProxyError('INVALID_OPTION', message)
}

function show(value: unknown): string {
  return typeof value === 'string' ? `"${value.slice(0, 60)}"` : String(value)
}
