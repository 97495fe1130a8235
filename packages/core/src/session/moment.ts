import { createHash } from 'node:crypto'
import { NEVER_REACHED } from './lsn.ts'
import { NO_NODE, type Seen } from './seen.ts'
import type { Token } from './token.ts'

/** How long reads may lean on one mark, in ms, and by how much the clocks of two regions may differ besides. */
const MOMENT = 100

/** Whether it says by itself how far its client has seen. */
export function isPosition({ node }: Seen): boolean {
  return node === NO_NODE
}

/**
 * Whether an answer at `time`, in ms, that has come to the same may lean on this token, and say nothing new.
 *
 * A position is the same for ever. “Read from that server” takes in what its client reads there next, but for one moment only:
 * who reads later leaves a new mark. “Nobody knows” is of one answer alone. That is what lets a position take the place of
 * such a mark: one that the primary gave after the moment has all that was seen under it.
 */
export function isGoodAt(token: Token, time: number): boolean {
  if (isPosition(token)) return true
  return token.lsn !== NEVER_REACHED && momentOf(token.issuedAt) >= momentOf(time)
}

/** Whether nothing that was seen from `time` on, in ms, leans on this mark: its moment is over, by any region's clock. */
export function isMomentOver({ lsn, issuedAt }: Token, time: number): boolean {
  return lsn === NEVER_REACHED || momentOf(time) >= momentOf(issuedAt) + 2
}

/** 8 characters of base64url, the same for tokens that stand for the same: one position, or one mark in one moment. */
export function nameOfToken(token: Token): string {
  const bytes = Buffer.alloc(30)
  bytes.writeBigUInt64BE(token.cluster, 0)
  bytes.writeUInt32BE(token.timeline, 8)
  bytes.writeBigUInt64BE(token.lsn, 12)
  bytes.writeUInt32BE(token.node, 20)
  const { issuedAt } = token
  if (!isPosition(token)) bytes.writeUIntBE(token.lsn === NEVER_REACHED ? issuedAt : momentOf(issuedAt), 24, 6)
  return createHash('sha256').update(bytes).digest('base64url').slice(0, 8)
}

function momentOf(time: number): number {
  return Math.floor(time / MOMENT)
}
