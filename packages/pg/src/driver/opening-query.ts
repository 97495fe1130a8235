import type pg from 'pg'
import type { Opening } from './opening.ts'
import { internalsOf } from './pg-internals.ts'
import type { QueryCall } from './query-call.ts'
import { type AppConfig, SentQuery, submitted, takesSentQueries } from './sent-query.ts'
import type { Settle } from './settle.ts'
import type { TrackedClient } from './tracked-client.ts'

/** The first statement of a transaction, in one write with what begins that (S2). */
class OpeningQuery extends SentQuery {
  readonly #opening: Opening

  constructor(config: AppConfig, text: string, values: unknown, opening: Opening, callback: Settle) {
    super(config, text, values, callback)
    this.#opening = opening
  }

  override submit(connection: pg.Connection): unknown {
    return submitted(() => this.#submit(connection), connection)
  }

  #submit(connection: pg.Connection): unknown {
    const opening = this.#opening
    if (this.requiresPreparation()) {
      const refusal = super.submit(connection)
      if (!refusal) opening.wasSent = true
      return refusal
    }
    // pg has set its own values on it by now, which decide about its protocol.
    this.text = opening.prefix + String(this.text)
    const refusal = super.submit(connection)
    opening.wasSent = !refusal
    opening.isOneText = true
    return refusal
  }

  protected override get before(): Buffer {
    return this.#opening.messages
  }

  override prepare(connection: pg.Connection): void {
    this.#opening.wasSent = true
    super.prepare(connection)
  }

  override handleCommandComplete(message: unknown, connection: unknown): void {
    if (!this.#opening.takesAnswer()) super.handleCommandComplete(message, connection)
  }

  /** The server counts the place of an error from the beginning of the whole text. */
  override handleError(error: unknown, connection: unknown): void {
    const { isOneText, hasBegun, prefix } = this.#opening
    const { position } = Object(error) as { position?: unknown }
    if (isOneText && hasBegun && typeof position === 'string') {
      Reflect.set(Object(error), 'position', String(Number(position) - prefix.length))
    }
    super.handleError(error, connection)
  }
}

/**
 * Whether a query can go in one write with what begins its transaction. Not by a name of the app's: pg takes the answer to the first
 * message for that of the name's.
 */
export function takesOpening(client: TrackedClient, { text, config, submittable }: QueryCall): boolean {
  if (submittable !== undefined || !text || !takesSentQueries(client)) return false
  if (typeof config === 'string') return true
  const { name, rows, portal } = config as AppConfig
  return !name && !rows && !portal
}

/** Sends a query with what begins its transaction; see `takesOpening`. */
export function sendWithOpening(
  client: TrackedClient,
  { text, config, values }: QueryCall,
  opening: Opening,
  answered: Settle,
): void {
  const own = typeof config === 'string' ? NO_CONFIG : (config as AppConfig)
  internalsOf(client).query(new OpeningQuery(own, text ?? '', values ?? own.values, opening, answered))
}

const NO_CONFIG: AppConfig = Object.freeze({ text: '' })
