import { isReplay } from '@headwater/core'
import type { ErrorEvent, EventHint } from '@sentry/node'

/** For `Sentry.init({ beforeSend: withoutReplays })`: a replay is sent on, not lost, so it is no event. */
export function withoutReplays(event: ErrorEvent, hint: EventHint): ErrorEvent | null {
  return isReplay(hint.originalException) ? null : event
}
