import { findInCauses } from './find-in-causes.ts'

/**
 * What PgBouncer says to a login that it refuses itself: under the code with which it tells of a server that it cannot have, so the
 * text is all there is. It is always English. Source: PgBouncer 1.18 to 1.24.
 */
const REFUSED =
  /^(?:"?\w+"? authentication failed|no such (?:user|database)\b|SSL required|TLS (?:client certificate|connection) required|no username supplied|a database is required|bouncer config error|not allowed|unix socket login rejected)/

/** Whether a pooler has refused a login. A server's own refusals have codes of their own, and name the routine that raised them. */
export function isRefusedByPooler(error: unknown): boolean {
  const found = findInCauses(error, (candidate): candidate is Error => {
    const { code, severity, routine, message } = candidate as Readonly<Record<string, unknown>>
    if (code !== '08P01' || severity !== 'FATAL' || routine !== undefined) return false
    return typeof message === 'string' && REFUSED.test(message)
  })
  return found !== undefined
}
