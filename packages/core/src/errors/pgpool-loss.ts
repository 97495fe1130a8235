import { findInCauses } from './find-in-causes.ts'

/**
 * What pgpool-II says when it has lost its server, or has none: with the code of internal errors, so the text is all there is. It is
 * always English. Source: pgpool-II 4.3, whose server was killed, to 4.7.
 */
const LOST =
  /^(?:unable to read data from DB node|failed to read (?:kind|data of length \d+) from|could not read from backend|failed to create a backend\b.*\bconnection|connection to postmaster on DB node|all backend nodes are down|pgpool is not accepting any new connections)/

/** Whether pgpool-II has no server for the session. A server's own internal error names the routine that raised it; a proxy has none. */
export function isPgpoolLoss(error: unknown): boolean {
  const found = findInCauses(error, (candidate): candidate is Error => {
    const { code, severity, routine, message } = candidate as Readonly<Record<string, unknown>>
    if (code !== 'XX000' || severity === undefined || routine !== undefined) return false
    return typeof message === 'string' && LOST.test(message)
  })
  return found !== undefined
}
