import type { ClientSession } from '@headwater/core/internal'

/** What is still on its way after this does not hold a response: its token then says that the position is unknown. */
const LONGEST_MILLIS = 1_000

/** How long the head of one response may wait for writes (P11): a second, however many there are. */
export class WriteWait {
  readonly #endsAt = performance.now() + LONGEST_MILLIS

  get isOver(): boolean {
    return performance.now() >= this.#endsAt
  }

  /**
   * Resolves when everything that this session has sent was answered and its app had a turn to send more, or the second is over.
   */
  async until(session: ClientSession): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const isTooLong = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, Math.max(Math.ceil(this.#endsAt - performance.now()), 0))
    })
    const areAnswered = new Promise<void>((resolve) => session.whenAnswered(resolve))
    await Promise.race([areAnswered, isTooLong])
    clearTimeout(timer)
    await new Promise((resolve) => setImmediate(resolve))
  }
}
