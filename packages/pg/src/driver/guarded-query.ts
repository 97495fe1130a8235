import type pg from 'pg'
import { runMessages } from './prepare/messages.ts'
import { type AppConfig, SentQuery } from './sent-query.ts'
import type { Settle } from './settle.ts'

/** The statements of a guarded query, in the order in which they are answered. */
type Part = 'begin' | 'question' | 'own' | 'commit'

/**
 * A query that cannot write, in one round trip: `BEGIN READ ONLY`, a question of ours where there is one, the app's statement and
 * `COMMIT` under one Sync (X1). Nothing of it stays with the session, which may be somebody else's (B3). Postgres skips all
 * that follows an error, so the app's statement never runs outside that transaction; behind an error it is still open.
 */
export class GuardedQuery extends SentQuery {
  readonly #question: string | undefined
  readonly #parts: readonly Part[]
  #answered = 0
  /** The answer to the question; `undefined` while there is none. */
  answer: readonly (string | null)[] | undefined

  constructor(config: AppConfig, text: string, values: unknown, question: string | undefined, callback: Settle) {
    // Its name would be prepared on whichever session this is.
    super({ ...config, text, name: undefined } as AppConfig, text, values, callback)
    this.#question = question
    this.#parts = question === undefined ? ['begin', 'own', 'commit'] : ['begin', 'question', 'own', 'commit']
  }

  override requiresPreparation(): boolean {
    return true
  }

  protected override get before(): Buffer {
    const question = this.#question
    return question === undefined ? BEGIN : beginAnd(question)
  }

  protected override get behind(): Buffer {
    return COMMIT
  }

  override handleDataRow(message: { readonly fields: readonly unknown[] }): void {
    if (this.#part === 'own') super.handleDataRow(message)
    else this.answer = message.fields.map((field) => (field === null ? null : String(field)))
  }

  override handleCommandComplete(message: unknown, connection: pg.Connection): void {
    if (this.#part === 'own') super.handleCommandComplete(message, connection)
    this.#answered += 1
  }

  get #part(): Part | undefined {
    return this.#parts[this.#answered]
  }
}

const BEGIN = runMessages('BEGIN READ ONLY')
const COMMIT = runMessages('COMMIT')

/** The last question, with what goes before it: it is always the same one. */
let asked: { readonly question: string; readonly messages: Buffer } | undefined

function beginAnd(question: string): Buffer {
  if (asked?.question !== question) asked = { question, messages: Buffer.concat([BEGIN, runMessages(question)]) }
  return asked.messages
}
