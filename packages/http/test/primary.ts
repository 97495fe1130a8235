import { currentScope } from '@headwater/core'
import { type Position, type PositionSource, type Seen, toLsn } from '@headwater/core/internal'

/** What a pool knows of its primary, as far as a token is concerned. Real ones are asked in the cross-package suite. */
export class Primary implements PositionSource {
  /** How long it takes to say where it stands, in ms. */
  delay = 5
  /** Whether it cannot say. */
  isGone = false
  /** Whether a COMMIT brings the position along. */
  saysWithCommit = false
  /** How often it was asked. */
  asked = 0
  lsn = 100n

  get position(): Position {
    return { cluster: 7n, timeline: 1, lsn: toLsn(this.lsn) }
  }

  /** What a client has seen that was told the position. */
  get state(): Seen {
    return { ...this.position, node: 0 }
  }

  async whereIsPrimary(): Promise<Position> {
    this.asked += 1
    await new Promise((resolve) => setTimeout(resolve, this.delay))
    if (this.isGone) throw new Error('the primary is gone')
    return this.position
  }

  /** A write in the scope of who asks, sent and committed. */
  async write(): Promise<string> {
    const trail = currentScope()?.trail
    if (trail === undefined) throw new Error('there is no scope here')
    trail.writeSent(this)
    await new Promise((resolve) => setImmediate(resolve))
    trail.writeEnded()
    if (this.saysWithCommit) trail.committedAt(this.position)
    return 'written'
  }
}
