import type pg from 'pg'
import { internalsOf } from './pg-internals.ts'
import { AS_TEXT } from './send.ts'
import { type AppConfig, SentQuery, takesSentQueries } from './sent-query.ts'
import type { Settle } from './settle.ts'
import type { TrackedClient } from './tracked-client.ts'

/** The rows of a question, as text. */
type Rows = readonly (readonly (string | null)[])[]

/** The outcome of a statement; with the error of the question behind it, or its rows when it ran behind. */
export type AnsweredBoth = (error: unknown, result?: unknown, refusal?: unknown, rows?: Rows) => void

/** A question of ours that is on its way already when pg sends it. */
class QuestionBehind extends SentQuery {
  #isWritten = false

  constructor(text: string, callback: Settle) {
    const config = { text, rowMode: 'array', types: AS_TEXT } as unknown as AppConfig
    super(config, text, undefined, callback)
  }

  write({ stream }: pg.Connection): void {
    this.#isWritten = true
    const message = Buffer.from(`Q\0\0\0\0${String(this.text)}\0`)
    message.writeInt32BE(message.length - 1, 1)
    stream.write(message)
  }

  override submit(connection: pg.Connection): unknown {
    return this.#isWritten ? null : super.submit(connection)
  }
}

/**
 * Whether a question can go behind a query: pg gives up waiting for one that has a time-out, and its answer would be the next one's. A client
 * that has just connected is handed out before it is ready, so pg would hold both back, and warn of it.
 */
export function takesQuestionBehind(client: TrackedClient): boolean {
  const { cork } = client.connection.stream
  const { query_timeout } = internalsOf(client).connectionParameters
  return typeof cork === 'function' && client.isSettled && takesSentQueries(client) && !query_timeout
}

/**
 * Sends a statement with `send`, and in the same write a question of ours, which the server runs when the statement has committed.
 *
 * `done` is called once: at once for a statement that fails, and else when both have their answers. A statement that was answered
 * stays so, whatever becomes of the question (F2).
 */
export function sendWithQuestionBehind(
  client: TrackedClient,
  text: string,
  send: (answered: Settle) => void,
  done: AnsweredBoth,
): void {
  const { connection } = client
  const { stream } = connection
  let state: 'sent' | 'answered' | 'done' = 'sent'
  let own: unknown
  let isAsked = false
  const end: AnsweredBoth = (...outcome) => {
    state = 'done'
    done(...outcome)
  }
  const question = new QuestionBehind(text, (refusal, result) => {
    isAsked = true
    // A statement that was prepared anew and sent again is behind the question now: that says nothing of it.
    if (state !== 'answered') return
    if (refusal) end(undefined, own, refusal)
    else end(undefined, own, undefined, (result as { readonly rows: Rows }).rows)
  })
  const answered: Settle = (error, result) => {
    if (state !== 'sent') return
    state = 'answered'
    own = result
    if (error || isAsked) end(error, result)
  }
  stream.cork()
  try {
    const before = stream.writableLength
    send(answered)
    // What pg refuses to send is answered without the server.
    if (stream.writableLength > before) question.write(connection)
    internalsOf(client).query(question)
  } finally {
    stream.uncork()
  }
}
