import type { ScopeRefusal } from '@headwater/core/internal'
import type { ResponseHead } from './response-head.ts'

/** Gives a head the status and the headers of a refusal (P10). What the app says itself beside that very status stays. */
export function refuseHead(head: ResponseHead, { status, headers }: ScopeRefusal): void {
  const isAppsOwn = head.status === status
  if (!isAppsOwn) head.setStatus(status)
  for (const [name, value] of Object.entries(headers)) {
    if (!isAppsOwn || head.get(name) === undefined) head.set(name, value)
  }
}
