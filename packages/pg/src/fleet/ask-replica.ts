import { sendQuestion } from '../driver/send.ts'
import type { TrackedClient } from '../driver/tracked-client.ts'
import { parseServerSample, SERVER_SAMPLE, type ServerSample } from './server-sample.ts'

/** How long the answer may take. */
const TIMEOUT_MILLIS = 1_000

/** The pause between two questions. */
const PAUSE_MILLIS = 10

/**
 * Asks the server behind one connection for its position, right before a read on the same connection (F4). Asks again for up
 * to `maxWaitMillis` until `isEnough` holds, and gives the last answer.
 */
export function askReplica(
  client: TrackedClient,
  isEnough: (state: ServerSample) => boolean,
  maxWaitMillis: number,
  done: (error: unknown, sample?: ServerSample) => void,
): void {
  const sentAt = performance.now()
  const answered = (error: unknown, rows: readonly (readonly (string | null)[])[]): void => {
    if (error) return done(error)
    try {
      const sample = parseServerSample(rows[0] ?? [], sentAt, performance.now())
      const left = maxWaitMillis - (sample.receivedAt - sentAt) - PAUSE_MILLIS
      if (left <= 0 || isEnough(sample)) done(undefined, sample)
      else setTimeout(() => askReplica(client, isEnough, left, done), PAUSE_MILLIS)
    } catch (unreadable) {
      done(unreadable)
    }
  }
  sendQuestion(client, SERVER_SAMPLE, answered, TIMEOUT_MILLIS)
}
