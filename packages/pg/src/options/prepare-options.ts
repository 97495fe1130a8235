import { OptionsInvalid } from '@headwater/core'
import { type LaneOptions, resolveLanes } from './lane-options.ts'

declare module 'pg' {
  // biome-ignore lint/suspicious/noExplicitAny: pg declares it so, and two declarations of one interface must agree
  interface QueryConfig<I = any[]> {
    /** `false` sends this query as pg does, and prepares nothing by itself. */
    readonly prepare?: boolean | undefined
  }
}

/** How texts are prepared by themselves (S1). */
export interface PrepareOptions {
  /**
   * How many statements each connection keeps, 1 to 1000. A statement takes 10 to 60 kB of its server session's memory; `status()` says
   * how many there are.
   *
   * @default 100
   */
  readonly perConnection?: number | undefined
  /**
   * Which plans the server may keep. `safe`: only those that read a few rows by keys, whatever the values; all others are planned for their
   * values, as they would be unprepared. `server`: what its `plan_cache_mode` says, by costs that it estimates. It is faster where
   * planning takes longer than running, and on skewed data it can be many times slower for some values; then the text is not prepared any more.
   *
   * @default 'safe'
   */
  readonly plans?: 'safe' | 'server' | undefined
}

export interface ResolvedPrepare {
  readonly perConnection: number
  readonly plans: 'safe' | 'server'
  /** How many connections per server its small reads share (S4); 0 for none. */
  readonly lanes: number
}

const PLANS: Readonly<Record<ResolvedPrepare['plans'], true>> = { safe: true, server: true }

/**
 * Checks the options; `undefined` when nothing is to be prepared.
 *
 * @throws {OptionsInvalid} saying what was expected.
 */
export function resolvePrepare(
  prepare: boolean | PrepareOptions | undefined = true,
  lanes?: boolean | LaneOptions,
): ResolvedPrepare | undefined {
  const perServer = resolveLanes(lanes, prepare !== false)
  if (prepare === false) return undefined
  if (prepare !== true && (typeof prepare !== 'object' || prepare === null)) {
    throw new OptionsInvalid(
      'prepare',
      `${JSON.stringify(prepare)} is unknown; expected true, false or { perConnection, plans }`,
    )
  }
  const { perConnection = 100, plans = 'safe' } = prepare === true ? {} : prepare
  if (!Number.isInteger(perConnection) || perConnection < 1 || perConnection > 1000) {
    throw new OptionsInvalid(
      'prepare.perConnection',
      `${String(perConnection)} is not valid; expected a whole number from 1 to 1000`,
    )
  }
  if (!Object.hasOwn(PLANS, plans)) {
    throw new OptionsInvalid('prepare.plans', `${JSON.stringify(plans)} is unknown; expected "safe" or "server"`)
  }
  return Object.freeze({ perConnection, plans, lanes: perServer })
}
