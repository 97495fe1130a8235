import { type HeaderList, headerOf } from '../http/headers.ts'
import type { ReplayCacheRule } from '../options/options.ts'
import type { ReplayInstruction } from '../replay/instruction.ts'
import type { Target } from '../routing/target.ts'
import type { Machine } from './machine.ts'
import { type CacheScope, parseCachePrefix } from './replay-cache.ts'
import type { World } from './world.ts'

/** A request as the replay cache sees it. */
export interface CacheSubject {
  /** Hostname without port, lower case. */
  readonly host: string
  readonly path: string
  readonly headers: HeaderList
}

/** Where the cache sends a request: to a target, past the cache (`bypass`), or undefined when it remembers nothing. */
export function recallReplay(world: World, subject: CacheSubject): 'bypass' | Target | undefined {
  const entry = world.cache.find(subject.host, subject.path, Date.now(), (scope) => scopeValue(subject.headers, scope))
  if (entry === undefined) return undefined
  return entry.allowBypass && headerOf(subject.headers, 'fly-replay-cache-control') === 'skip' ? 'bypass' : entry.target
}

/** Drops what the cache remembers for this request. */
export function forgetReplay(world: World, subject: CacheSubject): void {
  world.cache.invalidate(subject.host, subject.path, (scope) => scopeValue(subject.headers, scope))
}

/**
 * Obeys the cache directive of a replay answer, or the rule of the sender's app. Returns what is wrong with the directive, if
 * anything; then nothing is remembered. Only a request's first replay is remembered: `isFirstStep` is false for later ones.
 */
export function rememberReplay(
  world: World,
  subject: CacheSubject,
  sender: Machine,
  instruction: ReplayInstruction,
  target: Target,
  isFirstStep: boolean,
): string | undefined {
  const directive = instruction.cache
  if (directive?.kind === 'invalidate') {
    forgetReplay(world, subject)
    return undefined
  }
  if (!isFirstStep) return undefined
  const { state, transform, timeoutMillis, fallback } = instruction
  const isPlain = (state ?? transform ?? timeoutMillis ?? fallback) === undefined
  if (directive === undefined) {
    const rule = ruleFor(world, subject, sender)
    if (rule === undefined) return undefined
    if (!isPlain && world.settings.sessionCacheUnfit !== 'store') return UNFIT
    applyRule(world, subject, rule, target)
    return undefined
  }
  if (!isPlain) return UNFIT
  const ttlSeconds = directive.ttlSeconds ?? world.settings.cacheTtlSeconds
  if (ttlSeconds < 10) return `a cached replay lives at least 10 seconds, not ${ttlSeconds}`
  const place = parseCachePrefix(directive.prefix, subject.host, subject.path)
  if (place === undefined) return 'the cache prefix does not cover the request that it answers'
  const expiresAt = Date.now() + ttlSeconds * 1000
  world.cache.store(place.host, place.prefix, undefined, { target, allowBypass: directive.allowBypass, expiresAt })
  return undefined
}

const UNFIT = 'a replay with state, transform, timeout or fallback cannot be cached'

/** A rule that covers a request, with its place as the cache keeps it. */
interface FittingRule {
  readonly rule: ReplayCacheRule
  readonly place: { readonly host: string; readonly prefix: string }
}

/** The rule with the longest prefix that covers this request. */
function ruleFor(world: World, { host, path }: CacheSubject, sender: Machine): FittingRule | undefined {
  const rules = world.apps.get(sender.app)?.replayCache ?? []
  return rules
    .flatMap((rule): FittingRule[] => {
      const place = parseCachePrefix(rule.pathPrefix, host, path)
      return place === undefined ? [] : [{ rule, place }]
    })
    .toSorted((a, b) => b.place.prefix.length - a.place.prefix.length)[0]
}

function applyRule(world: World, subject: CacheSubject, { rule, place }: FittingRule, target: Target): void {
  const { type, name } = rule
  const value = scopeValue(subject.headers, { type, name, value: '' })
  if (value === undefined) return
  const expiresAt = Date.now() + rule.ttlSeconds * 1000
  const entry = { target, allowBypass: rule.allowBypass === true, expiresAt }
  world.cache.store(place.host, place.prefix, { type, name, value }, entry)
}

function scopeValue(headers: HeaderList, scope: CacheScope): string | undefined {
  if (scope.type === 'header') return headerOf(headers, scope.name.toLowerCase())
  const pairs = (headerOf(headers, 'cookie') ?? '').split(/[;,]/).map((pair) => pair.trim())
  return pairs.find((pair) => pair.startsWith(`${scope.name}=`))?.slice(scope.name.length + 1)
}
