import { currentScope } from '@headwater/core'
import { type Position, type PositionSource, type ReadPosition, toLsn } from '@headwater/core/internal'

/** A primary, as far as tokens know one. The cross-package suite asks real ones. */
export class Primary implements PositionSource {
  /** How long it takes to report its position. */
  delayMillis = 5
  /** How long a write takes, in ms; 0: until the next turn of the event loop. */
  writeMillis = 0
  /** Whether it cannot be reached. */
  isGone = false
  /** Whether a COMMIT returns the position. */
  reportsWithCommit = false
  /** How often it was asked. */
  asked = 0
  lsn = 100n

  get position(): Position {
    return { cluster: 7n, timeline: 1, lsn: toLsn(this.lsn) }
  }

  /** What a client has seen after it was told the position. */
  get state(): ReadPosition {
    return { ...this.position, node: 0 }
  }

  async whereIsPrimary(): Promise<Position> {
    this.asked += 1
    await new Promise((resolve) => setTimeout(resolve, this.delayMillis))
    if (this.isGone) throw new Error('the primary is gone')
    return this.position
  }

  /** Sends a write in the current scope, and commits it. */
  async write(): Promise<string> {
    const session = currentScope()?.session
    if (session === undefined) throw new Error('there is no scope here')
    session.answerAwaited()
    session.writeSent(this)
    await new Promise((resolve) =>
      this.writeMillis > 0 ? setTimeout(resolve, this.writeMillis) : setImmediate(resolve),
    )
    session.writeEnded()
    session.answered()
    if (this.reportsWithCommit) session.committedAt(this.position)
    return 'written'
  }
}
