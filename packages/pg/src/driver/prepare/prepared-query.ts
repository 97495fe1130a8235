import { databaseErrorIn } from '@headwater/core/internal'
import type pg from 'pg'
import type { Opening } from '../opening.ts'
import { internalsOf } from '../pg-internals.ts'
import { type AppConfig, SentQuery } from '../sent-query.ts'
import type { Settle } from '../settle.ts'
import type { TrackedClient } from '../tracked-client.ts'
import { KnownColumns } from './known-columns.ts'
import { encodeRun, type Sendable } from './messages.ts'
import type { Columns, PreparedStatement, SessionStatements } from './session-statements.ts'

/**
 * A query whose statement its connection has prepared, or prepares with it (S1).
 *
 * All its messages go in one write. From the second time on nothing is described: a prepared statement that would give other columns
 * is refused by the server (0A000). A statement that its server has forgotten or refuses as outdated is prepared anew and sent again,
 * outside a transaction: it fails before it has done anything.
 */
export class PreparedQuery extends SentQuery {
  readonly #client: TrackedClient
  readonly #session: SessionStatements
  readonly #statement: PreparedStatement
  readonly #map: (value: unknown) => Sendable
  readonly #sent: readonly unknown[]
  readonly #opening: Opening | undefined
  #isFirstRun = false
  #isRetry = false
  #described: Columns = null
  #sentAt = 0

  constructor(
    client: TrackedClient,
    session: SessionStatements,
    statement: PreparedStatement,
    config: AppConfig,
    values: readonly unknown[],
    map: (value: unknown) => Sendable,
    callback: Settle,
    opening?: Opening,
  ) {
    super(config, statement.record.text, values, callback)
    this.#client = client
    this.#session = session
    this.#statement = statement
    this.#sent = values
    this.#map = map
    this.#opening = opening
    // Its name is not pg's business: pg would keep the text of every name for as long as the connection lives.
    this.name = undefined
  }

  override submit({ stream }: pg.Connection): unknown {
    const statement = this.#statement
    const isBinary = this.binary === true
    const isReady = this.#session.isReady(statement)
    const columns = isReady ? (isBinary ? statement.binaryColumns : statement.textColumns) : undefined
    let bytes: Buffer
    try {
      bytes = this.#encode(isReady, isBinary, columns === undefined)
    } catch (error) {
      return error
    }
    this.#isFirstRun = !isReady
    if (!isReady) statement.isPrepared = false
    statement.runs = isReady ? statement.runs + 1 : 1
    if (columns !== undefined && columns !== null) this.#expect(columns)
    this.#sentAt = this.#session.mayHurt(statement) && statement.record.guard.timesNext() ? performance.now() : 0
    if (this.#opening !== undefined) this.#opening.wasSent = true
    if (stream.writable) stream.write(bytes)
    return null
  }

  #encode(isReady: boolean, isBinary: boolean, describes: boolean): Buffer {
    const { name } = this.#statement
    const before = this.#before(isReady)
    const run = { before, name, values: this.#sent, map: this.#map, isBinary, describes }
    if (before !== undefined || describes || this.#sent.length > 0) return encodeRun(run)
    const kept = isBinary ? 'binaryRun' : 'textRun'
    this.#statement[kept] ??= encodeRun(run)
    return this.#statement[kept]
  }

  #before(isReady: boolean): Buffer | undefined {
    const closing = this.#session.takeClosing()
    const opening = this.#opening
    if (isReady && opening === undefined) return closing
    const parts = [closing, opening?.messages, isReady ? undefined : this.#statement.record.parseMessages]
    const [first, ...others] = parts.filter((part) => part !== undefined)
    return first === undefined || others.length === 0 ? first : Buffer.concat([first, ...others])
  }

  /** Does what the server's description would do. */
  #expect(columns: KnownColumns): void {
    try {
      if (columns.describe(this._result)) this._accumulateRows = true
      else super.handleRowDescription({ fields: columns.fields })
    } catch (error) {
      // The app's own `types` can throw.
      this._canceledDueToError = error
    }
  }

  override handleRowDescription(message: { readonly fields: readonly object[] }): void {
    this.#described = new KnownColumns(message.fields)
    super.handleRowDescription(message)
  }

  override handleCommandComplete(message: unknown, connection: unknown): void {
    if (this.#opening?.takesAnswer() === true) return
    const statement = this.#statement
    if (this.#isFirstRun) {
      statement.isPrepared = true
      statement.generation = this.#session.server.generation
      statement.textColumns = undefined
      statement.binaryColumns = undefined
    }
    if (this.binary === true) statement.binaryColumns ??= this.#described
    else statement.textColumns ??= this.#described
    super.handleCommandComplete(message, connection)
  }

  override handleReadyForQuery(connection: unknown): void {
    if (this.#sentAt !== 0) this.#statement.record.guard.preparedTook(performance.now() - this.#sentAt)
    super.handleReadyForQuery(connection)
  }

  override handleError(error: unknown, connection: unknown): void {
    if (this.#isOutdated(error) && !this.#isRetry) {
      this.#isRetry = true
      // In a transaction the server has given up all of it.
      if (this.#opening === undefined && this.#client.sessionStatus === 'I') {
        // A question of ours may be on its way behind it.
        return this.#client.whenSettled(() => internalsOf(this.#client).query(this))
      }
    }
    super.handleError(error, connection)
  }

  /** Whether its statement is of no use any more; then neither are others. */
  #isOutdated(error: unknown): boolean {
    if (this.#isFirstRun) return false
    const fields = databaseErrorIn(error)
    // One that a function raised is the app's own.
    if (fields === undefined || fields.where !== undefined) return false
    if (fields.code === '26000') {
      this.#session.forgetAll()
      return true
    }
    if (fields.code !== '0A000' || fields.routine !== 'RevalidateCachedQuery') return false
    this.#session.server.forgetAll()
    return true
  }
}
