import { databaseErrorIn } from './database-error.ts'
import { findInCauses } from './find-in-causes.ts'
import { isPgpoolLoss } from './pgpool-loss.ts'
import { isRefusedByPooler } from './refused-login.ts'

/** Node's codes for a peer that cannot be reached or went away. */
const NETWORK: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
])

/**
 * node-postgres raises these without a code; unlike the server's, its texts are always English. `timeout exceeded when
 * trying to connect` is not among them: it means a pool without a free connection, which says nothing about its server.
 */
const LOSS_TEXT = /^(Connection terminated|Client has encountered a connection error|timeout expired)/

/** Whether the peer could not be reached or went away, as far as the client can tell. */
export function isConnectionLoss(error: unknown): boolean {
  const lost = findInCauses(error, (candidate): candidate is Error => {
    const code: unknown = Reflect.get(candidate, 'code')
    if (typeof code === 'string') return NETWORK.has(code)
    const message: unknown = Reflect.get(candidate, 'message')
    return typeof message === 'string' && LOSS_TEXT.test(message)
  })
  return lost !== undefined
}

/** The server is shutting down, has crashed, or does not accept connections yet. */
const NOT_RUNNING: ReadonlySet<string> = new Set(['57P01', '57P02', '57P03'])
const TOO_MANY_CONNECTIONS = '53300'

/** Whether a server's error says that the server does not run, or a pooler in front of it that it cannot be had (class 08, or pgpool-II's own). */
export function isNotRunning(error: unknown): boolean {
  const code = databaseErrorIn(error)?.code
  if (code === undefined) return false
  return code.startsWith('08') ? !isRefusedByPooler(error) : NOT_RUNNING.has(code) || isPgpoolLoss(error)
}

/**
 * Whether a failed connection attempt means that the server is out of service for now: it was not reached, is full, or does not run.
 * A refused login, database or TLS is none of these: that is how the app is configured, and waiting does not change it.
 */
export function isOutOfService(error: unknown): boolean {
  const code = databaseErrorIn(error)?.code
  return code === undefined ? isConnectionLoss(error) : code === TOO_MANY_CONNECTIONS || isNotRunning(error)
}
