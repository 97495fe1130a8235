import { OptionsInvalid } from '@headwater/core'
import { parseSecrets } from '@headwater/core/internal'
import type { PoolOfApp } from '../options.ts'
import { flyReplay } from '../replay/fly-replay.ts'
import type { ReplayTarget } from '../replay/replay-target.ts'

/** What the health checks ask of a pool: a `RoutedPool` has all of it. */
export interface PoolOfHealth extends PoolOfApp {
  /** What it knows of its servers; without it every server counts as reachable. */
  status?(): {
    readonly hasPrimary: boolean
    readonly hasReplica: boolean
    readonly servers: readonly {
      readonly verdict: string
      readonly role: string
      readonly region: string | undefined
    }[]
  }
  query?(text: string): unknown
}

/**
 * Options of `health()`, the same in every framework.
 *
 * @example app.use(health({ pool }))
 */
export interface HealthOptions {
  /** Your `RoutedPool`. */
  readonly pool: PoolOfHealth
  /**
   * Whether the process lives: 200 as long as it answers, whatever its databases do, so that no failover restarts every app.
   *
   * @default '/health'
   */
  readonly healthPath?: string | undefined
  /**
   * Whether the process should get requests: 200 while it can read somewhere, 503 while it cannot, and from SIGTERM on (`drainOnSignal`).
   *
   * @default '/ready'
   */
  readonly readyPath?: string | undefined
  /**
   * Where `headwater doctor --remote` asks, with a signed header: for all others the route is not there. `false`: for nobody.
   *
   * @default '/headwater/status'
   */
  readonly statusPath?: string | false | undefined
  /**
   * As in `headwater()`: the doctor signs with it. Without one there is no status route.
   *
   * @default process.env.HEADWATER_SECRET
   */
  readonly secret?: string | readonly string[] | undefined
  /** As in `headwater()`: the doctor has a request replayed by it. The default is `flyReplay()`. */
  readonly replayTarget?: ReplayTarget | undefined
}

/** The options, checked and complete. */
export interface ResolvedHealth {
  readonly pool: PoolOfHealth
  readonly healthPath: string
  readonly readyPath: string
  /** `undefined`: there is no such route. */
  readonly statusPath: string | undefined
  readonly secrets: readonly string[]
  readonly replayTarget: ReplayTarget
}

/** @throws {OptionsInvalid} naming the option, and what was expected. */
export function resolveHealth(options: HealthOptions): ResolvedHealth {
  const { pool, statusPath = '/headwater/status', secret = process.env['HEADWATER_SECRET'] } = options ?? {}
  if (pool?.topology === undefined) {
    throw new OptionsInvalid('pool', 'expected a RoutedPool (anything with a `topology`); pass the pool of your app')
  }
  const hasSecret = secret !== undefined && secret !== ''
  return Object.freeze({
    pool,
    healthPath: pathOf('healthPath', options.healthPath ?? '/health'),
    readyPath: pathOf('readyPath', options.readyPath ?? '/ready'),
    statusPath: statusPath === false || !hasSecret ? undefined : pathOf('statusPath', statusPath),
    secrets: hasSecret ? parseSecrets(secret) : [],
    replayTarget: options.replayTarget ?? flyReplay(),
  })
}

function pathOf(option: string, value: unknown): string {
  if (typeof value === 'string' && /^\/[^?#\s]*$/.test(value)) return value
  throw new OptionsInvalid(option, `${JSON.stringify(value)} is not a path; expected one such as "/health"`)
}
