import { NEVER_REACHED } from './lsn.ts'
import { perSecret } from './per-secret.ts'
import { NO_NODE, type ReadPosition } from './read-position.ts'
import { Sealer } from './sealer.ts'
import type { Token } from './token.ts'

/** How long responses may reuse one mark, in ms; the clocks of two regions may differ by as much. */
const WINDOW_MILLIS = 100

/** Whether it is a position; else it is the mark of a replica, or unknown. */
export function isPosition({ node }: ReadPosition): boolean {
  return node === NO_NODE
}

/**
 * Whether a response issued at `time`, in ms, may reuse this token instead of a new one with the same content.
 *
 * A position never expires. A replica's mark may be reused within its window of 100 ms; a later read leaves a new mark. An
 * unknown state belongs to one response only. So a position that the primary reported after the window includes all that was
 * read under the mark, and can replace it.
 */
export function isReusableAt(token: Token, time: number): boolean {
  if (isPosition(token)) return true
  return token.lsn !== NEVER_REACHED && toWindow(token.issuedAt) >= toWindow(time)
}

/** Whether a position taken at `time`, in ms, may replace this mark: its window is over by the clock of every region. */
export function isMarkExpired(mark: Token, time: number): boolean {
  return mark.lsn === NEVER_REACHED || time >= whenMarkExpires(mark)
}

/** From when on, in ms, a position that the primary reports may replace this mark. */
export function whenMarkExpires({ issuedAt }: Token): number {
  return (toWindow(issuedAt) + 2) * WINDOW_MILLIS
}

const fingerprints = perSecret('token name', (key) => new Sealer(key))

/**
 * 8 characters of base64url, the same for tokens that mean the same: one position, or one mark in one window. Keyed with the
 * first of `secrets`: it shows that two states are the same, and nothing else. A plain hash could be searched for its LSN.
 */
export function tokenName(token: Token, secrets: readonly string[]): string {
  const bytes = Buffer.alloc(30)
  bytes.writeBigUInt64BE(token.cluster, 0)
  bytes.writeUInt32BE(token.timeline, 8)
  bytes.writeBigUInt64BE(token.lsn, 12)
  bytes.writeUInt32BE(token.node, 20)
  const { issuedAt } = token
  if (!isPosition(token)) bytes.writeUIntBE(token.lsn === NEVER_REACHED ? issuedAt : toWindow(issuedAt), 24, 6)
  const [secret = ''] = secrets
  return fingerprints(secret).tag(bytes).toString('base64url', 0, 6)
}

function toWindow(time: number): number {
  return Math.floor(time / WINDOW_MILLIS)
}
