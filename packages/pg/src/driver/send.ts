import { internalsOf } from './pg-internals.ts'
import type { QueryCall } from './query-call.ts'
import { type AppConfig, copyConfig, toSentQuery } from './sent-query.ts'
import type { Settle } from './settle.ts'
import type { TrackedClient } from './tracked-client.ts'

/**
 * Sends an ordinary query in pg's callback form. `answered` is called twice for values that pg cannot send: with the error,
 * and when the server is ready again.
 */
export function sendQuery(client: TrackedClient, { config, values }: QueryCall, answered: Settle): void {
  const internals = internalsOf(client)
  if (typeof config === 'string') {
    const sent = toSentQuery(client, NO_CONFIG, values, answered, config)
    return void (sent === undefined ? internals.query(config, values, answered) : internals.query(sent))
  }
  const app = config as AppConfig
  const sent = toSentQuery(client, app, values, answered)
  if (sent === undefined) internals.query(copyConfig(app), values, answered)
  else internals.query(sent)
}

const NO_CONFIG: AppConfig = Object.freeze({ text: '' })

/** Sends a text of our own. */
export function sendText(client: TrackedClient, text: string, answered: Settle): void {
  internalsOf(client).query(text, answered)
}

/** Sends a query of our own. Its rows are text, whatever type parsers the app has set. */
export function sendQuestion(
  client: TrackedClient,
  text: string,
  answered: (error: unknown, rows: readonly (readonly (string | null)[])[]) => void,
  timeoutMillis?: number,
): void {
  const config = { text, rowMode: 'array', types: AS_TEXT, query_timeout: timeoutMillis }
  const settle: Settle = (error, result) => {
    // Of several statements in one text the last one is the question.
    const last: unknown = Array.isArray(result) ? result.at(-1) : result
    answered(error, error ? [] : (last as { readonly rows: readonly (readonly (string | null)[])[] }).rows)
  }
  internalsOf(client).query(config, settle)
}

/** Every value as Postgres prints it. */
export const AS_TEXT: { readonly getTypeParser: () => (value: string) => string } = { getTypeParser: () => String }
