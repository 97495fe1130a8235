import pg, { type QueryConfig } from 'pg'
import { extendedOf, internalsOf, PgQuery, queryInternalsOf, type ResultInternals } from './pg-internals.ts'
import { describeRows } from './prepare/known-columns.ts'
import { encodeRun, toSendable, UNNAMED } from './prepare/messages.ts'
import type { Settle } from './settle.ts'

/** What pg reads from a query's configuration; its types do not declare the last ones. */
export interface AppConfig extends QueryConfig {
  readonly rowMode?: unknown
  readonly queryMode?: unknown
  readonly query_timeout?: unknown
  readonly binary?: unknown
  readonly portal?: unknown
  readonly rows?: unknown
}

type ResultConstructor = new (rowMode: unknown, types: unknown) => ResultInternals
const Result = new PgQuery('', undefined, () => undefined)._result.constructor as ResultConstructor

/**
 * The query that pg would make of an app's configuration, made faster: pg 8.23.1 first copies every configuration by its
 * property descriptors, which takes longer than routing the query.
 */
export class SentQuery extends PgQuery {
  constructor(config: AppConfig, text: unknown, values: unknown, callback: Settle) {
    // Given a string, pg copies no configuration. What is not a string it refuses when the query is sent.
    super('', values, callback)
    this.text = text
    const { rowMode, types } = config
    this.name = config.name
    this.types = types
    this.rows = config.rows
    this.binary = config.binary
    this.queryMode = config.queryMode
    this.query_timeout = config.query_timeout
    if (config.portal) this.portal = config.portal
    if (rowMode === undefined && types === undefined) return
    this._rowMode = rowMode
    this._result = new Result(rowMode, types)
    this._results = this._result
  }

  /** Messages that go before its own, in the same write. */
  protected get before(): Buffer | undefined {
    return undefined
  }

  /** Messages that go behind its own, in the same write. */
  protected get behind(): Buffer | undefined {
    return undefined
  }

  override submit(connection: pg.Connection): unknown {
    let bytes: Buffer | undefined
    try {
      bytes = this.#encode()
    } catch (error) {
      // Nothing was sent.
      return error
    }
    if (bytes === undefined) return submitted(() => super.submit(connection), connection)
    if (connection.stream.writable) connection.stream.write(bytes)
    return null
  }

  /** All messages of the extended protocol in one, where pg writes five; `undefined` for what pg writes better. */
  #encode(): Buffer | undefined {
    const { text, name, rows, portal, types, values } = this
    if (toSendable === undefined || typeof text !== 'string' || text === '') return undefined
    if (name || rows || portal || Array.isArray(types) || !isSendable(values)) return undefined
    if (!this.requiresPreparation()) return undefined
    return encodeRun({
      before: this.before,
      text,
      name: UNNAMED,
      values: values ?? [],
      map: toSendable,
      isBinary: this.binary === true,
      describes: true,
      behind: this.behind,
    })
  }

  override handleReadyForQuery(connection: unknown): void {
    super.handleReadyForQuery(connection)
    this.#letGo()
  }

  override handleError(error: unknown, connection: unknown): void {
    super.handleError(error, connection)
    this.#letGo()
  }

  /**
   * V8 keeps an instance with a function of its own in a field until the old ones are collected, as pg's query is: with all that its
   * callback leads to, which is the whole request.
   */
  #letGo(): void {
    this.callback = ENDED
  }

  override prepare(connection: pg.Connection): void {
    const { before } = this
    if (before !== undefined) connection.stream.write(before)
    super.prepare(connection)
  }

  /** What pg sends last. */
  override _getRows(connection: pg.Connection, rows: unknown): void {
    const { behind } = this
    if (behind === undefined) return super._getRows(connection, rows)
    extendedOf(connection).execute({ portal: this.portal })
    connection.stream.write(behind)
    connection.sync()
  }

  /** pg asks the app's `types` for parsers from a socket event, where a throw would end the process. */
  override handleRowDescription(message: { readonly fields: readonly object[] }): void {
    try {
      if (this._result.command || !describeRows(this._result, message.fields)) super.handleRowDescription(message)
      else this._accumulateRows = true
    } catch (error) {
      this._canceledDueToError = error
    }
  }
}

const ENDED: Settle = () => {}

/** The protocol counts them in 16 bits. */
const MOST_VALUES = 65_535

/** Anything else is refused by pg in its own words. */
function isSendable(values: unknown): values is readonly unknown[] | undefined | null {
  return values === undefined || values === null || (Array.isArray(values) && values.length <= MOST_VALUES)
}

/**
 * Calls a `submit` that may throw (for a name that is not a string, say), and returns the error instead. pg often calls it from a
 * socket event, where a throw would end the process; an error that is returned reaches the query. Half a message may have been
 * sent, so the connection is closed.
 */
export function submitted(submit: () => unknown, connection: pg.Connection): unknown {
  try {
    return submit()
  } catch (error) {
    connection.stream.destroy()
    // pg builds the messages of all connections in one buffer: half a message is in there, and another's would begin with it.
    connection.query('')
    return error
  }
}

/** Whether the queries of the installed pg have the fields that are known here, and no others. */
export const IS_KNOWN: boolean = isLikeThose()

function isLikeThose(): boolean {
  const settle: Settle = () => undefined
  const config = { text: 'a', name: 'b', values: [1], rowMode: 'array', queryMode: 'extended', binary: true }
  const { isDeepStrictEqual } = process.getBuiltinModule('node:util')
  const all = { ...config, types: pg.types, portal: 'c', rows: 1 }
  const theirs: object = new PgQuery(all, undefined, settle)
  const ours: Partial<Record<string, unknown>> = { ...new SentQuery(all, all.text, all.values, settle) }
  return Object.entries(theirs).every(([name, value]) => isDeepStrictEqual(value, ours[name]))
}

/** Whether `client` takes queries of our own class: a pipeline takes only those of its own copy of pg. */
export function takesSentQueries(client: object): boolean {
  return IS_KNOWN && internalsOf(client).pipeline !== true
}

/**
 * Makes the query to send on `client` for the app's configuration, with `text` instead of its text. The configuration stays as it
 * is: pg would write into it. Returns `undefined` when it must be sent in pg's own form.
 */
export function toSentQuery(
  client: object,
  config: AppConfig,
  values: unknown,
  answered: Settle,
  text: string = config.text,
): object | undefined {
  if (!takesSentQueries(client)) return undefined
  return new SentQuery(config, text, values ?? config.values, answered)
}

/**
 * Finds the result of the first statement in `query`'s text, once the server has said that it is done. In a simple query each
 * statement is answered in turn, and a failure of the next one does not undo it.
 */
export function findFirstResult(query: object): pg.Result | undefined {
  const results = queryInternalsOf(query)._results as pg.Result | readonly pg.Result[]
  const first = Array.isArray(results) ? results[0] : results
  return first?.command ? first : undefined
}

/** Copies all that is read from a configuration. */
export function copyConfig(config: AppConfig, text: string = config.text): AppConfig {
  const { name, values, rowMode, types, queryMode, query_timeout, binary, portal, rows, prepare } = config
  return { text, name, values, rowMode, types, queryMode, query_timeout, binary, portal, rows, prepare } as AppConfig
}
