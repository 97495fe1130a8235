import { findReplay } from '@headwater/core'
import type { LogFn, Logger } from 'pino'

/** For `pino({ hooks: { logMethod: replaysAsInfo } })`: a replay that is logged as an error becomes one line of `info`. */
export function replaysAsInfo(this: Logger, args: Parameters<LogFn>, method: LogFn): void {
  const [first] = args as readonly unknown[]
  const replay = findReplay(first) ?? findReplay(Object(first)['err'])
  if (replay === undefined) method.apply(this, args)
  else if (this.isLevelEnabled('info')) this.info({ region: replay.region, reason: replay.reason }, 'replayed')
}
