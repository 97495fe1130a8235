import { currentScope, findReplay } from '@headwater/core'
import type { QueryResult } from 'pg'
import type { Ask } from './notes.ts'
import type { RegionCode } from './regions.ts'

/** One query that a handler made. Times are `performance.now()`. */
export interface QueryRecord {
  readonly label: string
  /** The region of the server that answered, known by the port of the connection; `undefined` when nothing was sent. */
  readonly node: RegionCode | undefined
  readonly startedAt: number
  readonly endedAt: number
  /** `kept`: it never left this instance, because the request was handed over instead. */
  readonly outcome: 'answered' | 'kept' | 'failed'
}

/** What one app instance did with one request. */
export interface Visit {
  readonly requestId: string
  readonly region: RegionCode
  readonly startedAt: number
  endedAt: number
  /** Whether the handler ran at all: a request that is handed over early never reaches it. */
  hasReachedHandler: boolean
  /** The request's number in this process, by which diagnostics name it. */
  scope: number | undefined
  readonly queries: QueryRecord[]
}

/** The smallest part of a leased client, routed or not. */
export interface LeasedConnection {
  query(text: string, values?: unknown[]): Promise<QueryResult>
  /** Of the server that answered last. */
  readonly port: number
  release(): void
}

/** Leases a client, and writes down what each query through it cost and who answered. */
export async function lease<Result>(
  pool: { connect(): Promise<LeasedConnection> },
  visit: Visit,
  nodeAt: (port: number) => RegionCode | undefined,
  work: (ask: Ask) => Promise<Result>,
): Promise<Result> {
  visit.scope = currentScope()?.number
  const client = await pool.connect()
  const ask: Ask = async (label, text, values) => {
    const startedAt = performance.now()
    const record = (outcome: QueryRecord['outcome']): void => {
      const node = outcome === 'kept' ? undefined : nodeAt(client.port)
      visit.queries.push({ label, node, startedAt, endedAt: performance.now(), outcome })
    }
    try {
      const result = await (values === undefined ? client.query(text) : client.query(text, values))
      record('answered')
      return result
    } catch (error) {
      record(findReplay(error) === undefined ? 'failed' : 'kept')
      throw error
    }
  }
  try {
    return await work(ask)
  } finally {
    client.release()
  }
}
