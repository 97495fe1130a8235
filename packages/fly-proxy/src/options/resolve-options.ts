import { resolveLatency } from '../distance/latency.ts'
import { FlyProxyError } from '../report/fly-proxy-error.ts'
import type { AppOptions, FlyProxyOptions, MachineOptions, ProxySettings, UndocumentedOptions } from './options.ts'

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
  sessionCacheUnfit: 'ignore',
})

const choices: Readonly<Record<string, readonly unknown[]>> = {
  unknownFields: ['reject', 'ignore'],
  unquotedValues: ['token', 'any'],
  fallbackReplay: ['error', 'allow'],
  replaySrc: ['replace', 'keep-first'],
  stoppedMachines: ['last', 'by-distance'],
  invalidCache: ['ignore', 'reject'],
  sessionCacheUnfit: ['ignore', 'store', 'reject'],
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

/**
 * The options, checked, with their defaults, frozen.
 * @throws FlyProxyError INVALID_OPTION, DUPLICATE_MACHINE, UNKNOWN_REGION
 */
export function resolveOptions(options: FlyProxyOptions): ProxySettings {
  const given = Object.fromEntries(Object.entries(options ?? {}).filter(([, value]) => value !== undefined))
  const known = new Set([
    ...Object.keys(defaults),
    ...['apps', 'organizations', 'edges', 'ports', 'host', 'latency', 'scheme', 'isPristine', 'onEvent', 'onLog'],
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
      throw invalid(`ports has "${region}", which has no edge; the edges are ${edges.join(', ')}`)
    if (!Number.isInteger(port) || port < 0 || port > 65_535)
      throw invalid(`ports.${region} is ${show(port)}; expected 0 to 65535`)
  }
  const latency = options.latency ?? 'none'
  resolveLatency(latency, [...edges, ...machineRegions])
  return Object.freeze({
    ...merged,
    apps,
    organizations: checkOrganizations(options.organizations),
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
    refuseUnknown(app, APP_KEYS, `app ${app.name}`)
    if (!Array.isArray(app.machines)) throw invalid(`machines of app ${app.name} is not a list`)
    for (const machine of app.machines) {
      once('machine id', machine.id)
      checkRegion(machine.region, `machine ${machine.id}`)
      checkUrl(machine)
      for (const name of ['hardLimit', 'softLimit', 'wakeMillis'] as const) {
        const number = machine[name]
        if (number !== undefined && !(Number.isInteger(number) && number >= 0 && number <= MOST[name]))
          throw invalid(`${name} of ${machine.id} is ${show(number)}; expected a whole number, 0 to ${MOST[name]}`)
      }
    }
    for (const rule of app.replayCache ?? []) {
      const isFit =
        CACHE_PREFIX.test(rule.pathPrefix) && rule.ttlSeconds >= 10 && ['cookie', 'header'].includes(rule.type)
      if (!isFit)
        throw invalid(
          `replayCache of app ${app.name}: expected pathPrefix "/…" or "host/…", ttlSeconds >= 10, type cookie or header`,
        )
    }
  }
  return apps as readonly AppOptions[]
}

function checkOrganizations(organizations: FlyProxyOptions['organizations'] = {}): ProxySettings['organizations'] {
  for (const [name, organization] of Object.entries(organizations)) {
    refuseUnknown(organization, ORGANIZATION_KEYS, `organization ${name}`)
  }
  return organizations
}

const MOST = { hardLimit: Number.MAX_SAFE_INTEGER, softLimit: Number.MAX_SAFE_INTEGER, wakeMillis: 3_600_000 } as const

/** Without wildcards but for the one at the end; a host may stand before it. */
const CACHE_PREFIX = /^[^/*\s]*\/[^*\s]*\*?$|^[^/*\s]+$/
const APP_KEYS = ['name', 'machines', 'organization', 'network', 'replayCache']
const ORGANIZATION_KEYS = ['crossNetworkReplays', 'replaySources']

function refuseUnknown(value: object, known: readonly string[], where: string): void {
  const unknown = Object.keys(value).find((key) => !known.includes(key))
  if (unknown !== undefined) throw invalid(`${where} has the unknown option "${unknown}"; expected ${known.join(', ')}`)
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
