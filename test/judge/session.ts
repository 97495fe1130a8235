import { classifyRefusal } from '@headwater/core/internal'
import pg from 'pg'

/** What one node said to one text. */
export interface Outcome {
  readonly isOk: boolean
  /** The rows of all its results as sorted text, so that two nodes can be compared; empty after an error. */
  readonly rows: readonly string[]
  /** SQLSTATE, and `lost` when the connection went away. */
  readonly code: string | undefined
  readonly message: string | undefined
  /** What the error says about where the text belongs, had a standby raised it. */
  readonly refusal: ReturnType<typeof classifyRefusal>
}

/** Long enough for what the corpora hold; a lock that nobody gives back ends sooner. */
const LIMITS = '-c statement_timeout=5s -c lock_timeout=2s -c idle_in_transaction_session_timeout=60s'
/** Beyond the server's own limit: a text may lift that. */
const PATIENCE = 20_000

const LOST: Outcome = {
  isOk: false,
  rows: [],
  code: 'lost',
  message: 'connection lost',
  refusal: 'replica-lost',
}

/** The two methods of pg's connection that COPY needs; pg publishes no types for them. */
interface CopyConnection {
  sendCopyFromChunk(chunk: Buffer): void
  endCopyFrom(): void
}

/** A query by the simple protocol that feeds COPY FROM STDIN and keeps what COPY TO STDOUT sends. */
class TextQuery extends pg.Query {
  readonly copied: string[] = []
  readonly #input: string

  constructor(text: string, input: string) {
    super({ text, rowMode: 'array', types: { getTypeParser: () => String } } as pg.QueryConfig)
    this.#input = input
  }

  handleCopyInResponse(connection: CopyConnection): void {
    if (this.#input !== '') connection.sendCopyFromChunk(Buffer.from(this.#input))
    connection.endCopyFrom()
  }

  handleCopyData(message: { readonly chunk: Buffer }): void {
    this.copied.push(message.chunk.toString())
  }
}

/** One connection to one node; opens a new one by itself when a text cost it the old one. */
export class Session {
  readonly #connectionString: string
  #client: pg.Client | undefined

  constructor(url: string, database: string) {
    const target = new URL(url)
    target.pathname = `/${database}`
    this.#connectionString = target.href
  }

  /** Sends one text by the simple protocol, alone in its transaction unless it opens one. Never throws for an error of the server. */
  async ask(text: string, input = ''): Promise<Outcome> {
    const client = await this.#open()
    const query = new TextQuery(text, input)
    let outcome = LOST
    query.on('error', (error: Error) => {
      outcome = failure(error)
    })
    query.on('end', (results: unknown) => {
      outcome = success(results, query.copied)
    })
    const limit = setTimeout(() => this.#drop(), PATIENCE)
    await new Promise<void>((resolve) => {
      function finish(): void {
        client.off('drain', finish).off('end', finish)
        resolve()
      }
      // An error comes before ReadyForQuery, and the state of the transaction only with it: `drain` is behind both.
      client.on('drain', finish).on('end', finish)
      client.query(query)
    })
    clearTimeout(limit)
    return outcome
  }

  /** Ends a transaction that the last text left open. */
  async settle(): Promise<void> {
    if (this.#client === undefined) return
    if (this.#client.getTransactionStatus() !== 'I') await this.ask('rollback')
  }

  async close(): Promise<void> {
    const client = this.#client
    this.#client = undefined
    await client?.end().catch(() => undefined)
  }

  async #open(): Promise<pg.Client> {
    if (this.#client !== undefined) return this.#client
    const client = new pg.Client({
      connectionString: this.#connectionString,
      options: LIMITS,
      application_name: 'judge',
    })
    client.on('error', () => {
      if (this.#client === client) this.#client = undefined
    })
    await client.connect()
    client.on('end', () => {
      if (this.#client === client) this.#client = undefined
    })
    this.#client = client
    return client
  }

  #drop(): void {
    const client = this.#client as (pg.Client & { connection?: { stream?: { destroy(): void } } }) | undefined
    this.#client = undefined
    client?.connection?.stream?.destroy()
  }
}

function failure(error: Error): Outcome {
  const code: unknown = Reflect.get(error, 'code')
  return {
    isOk: false,
    rows: [],
    code: typeof code === 'string' ? code : 'lost',
    message: error.message,
    refusal: classifyRefusal(error, true),
  }
}

function success(results: unknown, copied: readonly string[]): Outcome {
  const rows = [...copied]
  for (const result of Array.isArray(results) ? results : [results]) {
    for (const row of (result as { rows?: readonly unknown[] } | undefined)?.rows ?? []) rows.push(JSON.stringify(row))
  }
  return { isOk: true, rows: rows.sort(), code: undefined, message: undefined, refusal: undefined }
}
