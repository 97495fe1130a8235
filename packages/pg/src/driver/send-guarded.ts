import { GuardedQuery } from './guarded-query.ts'
import { isReadTimeout } from './pg-errors.ts'
import { internalsOf } from './pg-internals.ts'
import { hasValues, type QueryCall } from './query-call.ts'
import { sendText } from './send.ts'
import { type AppConfig, takesSentQueries } from './sent-query.ts'
import type { TrackedClient } from './tracked-client.ts'

/** As `Settle`, with the answer to the question that was sent along. */
export type GuardedSettle = (error: unknown, result?: unknown, answer?: readonly (string | null)[]) => void

/** Whether a query can be sent in one round trip with a transaction around it: one statement whose rows come all at once. */
export function isOnePacket(client: TrackedClient, { config, submittable }: QueryCall, count: number): boolean {
  if (submittable !== undefined || count !== 1 || !takesSentQueries(client)) return false
  return typeof config === 'string' || !(config as AppConfig).rows
}

/**
 * Sends a query so that it cannot write, in one round trip (X1); see `isOnePacket`. With `question`, a query of ours with one row
 * is answered first, in the same transaction. After an error the transaction is rolled back before `answered` is called.
 */
export function sendGuarded(
  client: TrackedClient,
  call: QueryCall,
  question: string | undefined,
  answered: GuardedSettle,
): void {
  const { config, values } = call
  const own = typeof config === 'string' ? { text: config } : (config as AppConfig)
  const bound = hasValues(call) ? (values ?? own.values) : undefined
  const query = new GuardedQuery(own, own.text, bound, question, (error, result) => {
    // A time-out of pg's own leaves it running.
    if (isReadTimeout(error)) answered(error)
    else if (error) rollBack(client, () => answered(error))
    else answered(undefined, result, query.answer)
  })
  internalsOf(client).query(query)
}

/** Ends the transaction that an error has left open, as soon as the server is ready. */
export function rollBack(client: TrackedClient, done: () => void): void {
  client.whenSettled(() => {
    if (client.isLost || client.sessionStatus === 'I') return done()
    sendText(client, 'ROLLBACK', () => client.whenSettled(done))
  })
}
