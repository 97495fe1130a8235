import { type HeaderList, headerOf } from '../http/headers.ts'
import { parseDuration } from './duration.ts'
import { parseReplayFields, type UnquotedValues } from './fields.ts'
import { InvalidReplayError } from './invalid-replay-error.ts'

/** How a request gets back to the sender when its replay reached no machine. */
export type Fallback = 'force_self' | 'prefer_self'

/** What a machine asked the proxy to do with the request instead of answering it. */
export interface ReplayInstruction {
  readonly app?: string
  /** Codes and aliases in order of preference. */
  readonly regions?: readonly string[]
  readonly instance?: string
  readonly preferInstance?: string
  readonly state?: string
  readonly isElsewhere?: boolean
  readonly timeoutMillis?: number
  readonly fallback?: Fallback
  readonly transform?: Transform
  readonly cache?: CacheDirective
}

/** How the replayed request differs from the original. */
export interface Transform {
  readonly path?: string
  readonly deleteHeaders: readonly string[]
  readonly setHeaders: HeaderList
}

/** Remember where requests of this prefix go, or forget it. `prefix` may start with a host. */
export type CacheDirective =
  | { readonly kind: 'store'; readonly prefix: string; readonly ttlSeconds?: number; readonly allowBypass: boolean }
  | { readonly kind: 'invalidate' }

/** The undocumented points of reading an answer. */
export interface ReplayRules {
  readonly unknownFields: 'reject' | 'ignore'
  readonly unquotedValues: UnquotedValues
  readonly stateMaxBytes: number
}

export const replayMediaType = 'application/vnd.fly.replay+json'

/** How an answer asks for a replay, whatever its status. Undefined for an ordinary answer. Media type parameters are ignored. */
export function replayFormOf(headers: HeaderList): 'header' | 'json' | undefined {
  if (headerOf(headers, 'fly-replay') !== undefined) return 'header'
  const type = (headerOf(headers, 'content-type') ?? '').split(';')[0] ?? ''
  return type.trim().toLowerCase() === replayMediaType ? 'json' : undefined
}

/**
 * The instruction in the headers of an answer, cache headers included.
 * @throws InvalidReplayError
 */
export function readReplayHeaders(headers: HeaderList, rules: ReplayRules): ReplayInstruction {
  const fields = parseReplayFields(headerOf(headers, 'fly-replay') ?? '', rules.unquotedValues)
  const cache = readCacheHeaders(headers)
  return build(new Map(fields), { ...(cache && { cache }) }, rules)
}

/**
 * The instruction in a JSON answer.
 * @throws InvalidReplayError
 */
export function readReplayJson(text: string, rules: ReplayRules): ReplayInstruction {
  const source = objectOf(parseJson(text), 'the body')
  const fields = new Map<string, string>()
  const extra: { transform?: Transform; cache?: CacheDirective } = {}
  for (const [name, value] of Object.entries(source)) {
    if (name === 'transform') extra.transform = readTransform(objectOf(value, name), rules)
    else if (name === 'cache') extra.cache = readCacheJson(objectOf(value, name), source['allow_bypass'], rules)
    else if (name === 'elsewhere') fields.set(name, String(expect(value, 'boolean', name)))
    else if (known.has(name)) fields.set(name, expect(value, 'string', name) as string)
    else if (name !== 'allow_bypass') fields.set(name, '')
  }
  return build(fields, extra, rules)
}

const regionItem = /^[a-z0-9-]{1,32}$/
const known = new Set(['region', 'instance', 'prefer_instance', 'app', 'state', 'elsewhere', 'timeout', 'fallback'])

function build(
  fields: ReadonlyMap<string, string>,
  extra: { transform?: Transform; cache?: CacheDirective },
  rules: ReplayRules,
): ReplayInstruction {
  const fail = (message: string): never => {
    throw new InvalidReplayError(message)
  }
  const text = (name: string): string | undefined => {
    const value = fields.get(name)
    return value === '' ? fail(`${name} is empty`) : value
  }
  const unknown = [...fields.keys()].filter((name) => !known.has(name))
  if (unknown.length > 0 && rules.unknownFields === 'reject') fail(`unknown field ${unknown.join(', ').slice(0, 80)}`)

  const regions = text('region')
    ?.split(',')
    .map((item) => item.trim())
  if (regions?.some((item) => !regionItem.test(item))) fail('region is not a region code, an alias, or a list of them')
  const elsewhere = text('elsewhere')
  if (elsewhere !== undefined && elsewhere !== 'true' && elsewhere !== 'false')
    fail('elsewhere is neither true nor false')
  const fallback = text('fallback')
  if (fallback !== undefined && fallback !== 'force_self' && fallback !== 'prefer_self') {
    fail('fallback is neither force_self nor prefer_self')
  }
  const state = fields.get('state')
  if (state !== undefined && Buffer.byteLength(state) > rules.stateMaxBytes) {
    fail(`state is over ${rules.stateMaxBytes} bytes`)
  }
  const timeout = text('timeout')
  const [app, instance, preferInstance] = [text('app'), text('instance'), text('prefer_instance')]
  if (instance !== undefined && preferInstance !== undefined) fail('instance and prefer_instance exclude each other')
  const isElsewhere = elsewhere === 'true'
  const isInvalidation = extra.cache?.kind === 'invalidate'
  if (!(app ?? instance ?? preferInstance ?? regions) && !isElsewhere && !isInvalidation) {
    fail('no target: give region, instance, prefer_instance, app or elsewhere')
  }
  return Object.freeze({
    ...(app !== undefined && { app }),
    ...(regions && { regions }),
    ...(instance !== undefined && { instance }),
    ...(preferInstance !== undefined && { preferInstance }),
    ...(state !== undefined && { state }),
    ...(isElsewhere && { isElsewhere }),
    ...(timeout !== undefined && { timeoutMillis: parseDuration(timeout) }),
    ...(fallback !== undefined && { fallback: fallback as Fallback }),
    ...extra,
  })
}

function readCacheHeaders(headers: HeaderList): CacheDirective | undefined {
  const prefix = headerOf(headers, 'fly-replay-cache')?.trim()
  if (prefix === undefined || prefix === '') return undefined
  if (prefix === 'invalidate') return { kind: 'invalidate' }
  const ttl = headerOf(headers, 'fly-replay-cache-ttl-secs')
  if (ttl !== undefined && !/^\d{1,9}$/.test(ttl))
    throw new InvalidReplayError('fly-replay-cache-ttl-secs is not a whole number of seconds')
  const allowBypass = headerOf(headers, 'fly-replay-cache-allow-bypass') === 'yes'
  return { kind: 'store', prefix, ...(ttl !== undefined && { ttlSeconds: Number(ttl) }), allowBypass }
}

function readCacheJson(source: JsonObject, topLevelBypass: unknown, rules: ReplayRules): CacheDirective {
  refuseUnknown(source, ['prefix', 'ttl', 'invalidate', 'allow_bypass'], 'cache', rules)
  if (source['invalidate'] === true) return { kind: 'invalidate' }
  const prefix = expect(source['prefix'], 'string', 'cache.prefix') as string
  const ttl = source['ttl']
  const allowBypass = source['allow_bypass'] === true || topLevelBypass === true
  if (ttl === undefined) return { kind: 'store', prefix, allowBypass }
  return { kind: 'store', prefix, ttlSeconds: expect(ttl, 'number', 'cache.ttl') as number, allowBypass }
}

const headerName = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const headerValue = /^[\t\x20-\x7e\x80-\xff]*$/

function readTransform(source: JsonObject, rules: ReplayRules): Transform {
  refuseUnknown(source, ['path', 'delete_headers', 'set_headers'], 'transform', rules)
  const path = source['path']
  if (path !== undefined && !(typeof path === 'string' && /^\/[\x21-\x7e]*$/.test(path))) {
    throw new InvalidReplayError('transform.path must start with "/" and hold no space or control character')
  }
  const deleteHeaders = listOf(source['delete_headers'], 'transform.delete_headers').map((name) => {
    return (expect(name, 'string', 'transform.delete_headers') as string).toLowerCase()
  })
  const setHeaders = listOf(source['set_headers'], 'transform.set_headers').map((item): [string, string] => {
    const { name, value } = objectOf(item, 'transform.set_headers')
    const isFit =
      typeof name === 'string' && headerName.test(name) && typeof value === 'string' && headerValue.test(value)
    if (!isFit)
      throw new InvalidReplayError('transform.set_headers holds an item that is not a valid { name, value } header')
    return [name, value]
  })
  return { ...(typeof path === 'string' && { path }), deleteHeaders, setHeaders }
}

type JsonObject = Readonly<Record<string, unknown>>

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new InvalidReplayError('the body is not JSON')
  }
}

function objectOf(value: unknown, name: string): JsonObject {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject
  throw new InvalidReplayError(`${name} is not an object`)
}

function listOf(value: unknown, name: string): readonly unknown[] {
  if (value === undefined) return []
  if (Array.isArray(value)) return value
  throw new InvalidReplayError(`${name} is not a list`)
}

function expect(value: unknown, type: 'string' | 'boolean' | 'number', name: string): unknown {
  if (typeof value === type) return value
  throw new InvalidReplayError(`${name.slice(0, 40)} is not a ${type}`)
}

function refuseUnknown(source: JsonObject, names: readonly string[], where: string, rules: ReplayRules): void {
  const unknown = Object.keys(source).find((name) => !names.includes(name))
  if (unknown !== undefined && rules.unknownFields === 'reject') {
    throw new InvalidReplayError(`unknown field ${where}.${unknown.slice(0, 40)}`)
  }
}
