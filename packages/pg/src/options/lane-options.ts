import { OptionsInvalid } from '@headwater/core'

/** How small hot reads share connections (S4). */
export interface LaneOptions {
  /**
   * How many connections of each server are shared at most, 1 to 64. Each is one process of the server, and counts among the pool's `max`
   * while it is shared.
   *
   * @default 4
   */
  readonly perServer?: number | undefined
}

const DEFAULT_PER_SERVER = 4

/**
 * Checks the option; 0 when no connection is to be shared.
 *
 * @throws {OptionsInvalid} saying what was expected.
 */
export function resolveLanes(lanes: boolean | LaneOptions | undefined = false, isPreparing: boolean): number {
  if (lanes === false) return 0
  if (lanes !== true && (typeof lanes !== 'object' || lanes === null)) {
    throw new OptionsInvalid('lanes', `${JSON.stringify(lanes)} is unknown; expected true, false or { perServer }`)
  }
  const { perServer = DEFAULT_PER_SERVER } = lanes === true ? {} : lanes
  if (!Number.isInteger(perServer) || perServer < 1 || perServer > 64) {
    throw new OptionsInvalid(
      'lanes.perServer',
      `${String(perServer)} is not valid; expected a whole number from 1 to 64`,
    )
  }
  if (!isPreparing) {
    throw new OptionsInvalid(
      'lanes',
      'only prepared reads share connections, and `prepare` is false; leave one of them out',
    )
  }
  return perServer
}
