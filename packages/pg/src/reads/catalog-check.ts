import { runOutside } from '@headwater/core/internal'
import type pg from 'pg'
import type { CatalogStanding, CatalogState } from '../catalog/catalog-age.ts'
import { CATALOG_STATE, parseCatalogState } from '../catalog/fingerprint.ts'
import { boundHere } from '../driver/bound-here.ts'
import { sendQuestion } from '../driver/send.ts'
import type { Connection, PoolNode } from '../node/pool-node.ts'

/** The catalog that verdicts come from. */
export interface KnownCatalog {
  /** The number of the catalog that is known, 0 for none. */
  readonly generation: number
  /** Whether this pool has changed the schema since it was read. */
  readonly isOutdated: boolean
  standingOf(server: object, now: number): CatalogStanding
  /** Notes what a server said when it was asked at `askedAt`. `pool` leads to it. */
  heard(server: object, pool: pg.Pool, state: CatalogState, askedAt: number): void
}

/** Tells whether a read may run, or with what error its server could not be asked. */
export type Checked = (maySend: boolean, failure?: unknown) => void

/** How long the answer may take. */
const TIMEOUT_MILLIS = 2000

/**
 * Sees to it that a read runs only where the catalog is not newer than the one that its verdict comes from, as of a few seconds
 * ago (R1).
 *
 * A server is asked when a read comes and its last answer is old: beside the read while that answer still counts, else on the read's own
 * connection before it. So it takes no timer and no connection of its own, nothing is asked while nobody reads, and after hours
 * without a read the first one is as safe as any.
 */
export class CatalogCheck {
  readonly #catalog: KnownCatalog
  /** Who waits for the answer of a server that was asked. */
  readonly #asked = new Map<object, (() => void)[]>()
  readonly #due = new Set<object>()

  constructor(catalog: KnownCatalog) {
    this.#catalog = catalog
  }

  /** Whether a statement of catalog `judgedBy` may be sent on `connection` without asking. */
  mayBeSent(connection: Connection, judgedBy: number): boolean {
    if (!this.#isJudged(judgedBy)) return false
    switch (this.#catalog.standingOf(serverOf(connection), performance.now())) {
      case 'known':
        return true
      case 'due':
        this.#askBeside(connection.node)
        return true
      case 'unasked':
      case 'ahead':
        return false
    }
  }

  /** The same, and asks the server behind `connection` where need be. */
  check(connection: Connection, judgedBy: number, checked: Checked): void {
    if (this.mayBeSent(connection, judgedBy)) return checked(true)
    const server = serverOf(connection)
    const isAhead = this.#catalog.standingOf(server, performance.now()) === 'ahead'
    if (isAhead || !this.#isJudged(judgedBy)) return checked(false)
    const waiting = this.#asked.get(server)
    if (waiting !== undefined) return void waiting.push(boundHere(() => this.check(connection, judgedBy, checked)))
    // Others may wait for the same answer: each read goes on where it began.
    const answered = boundHere((failure?: unknown): void => {
      checked(failure === undefined && this.mayBeSent(connection, judgedBy), failure)
    })
    this.#ask(connection, answered)
  }

  /** Asks a server when it is due, without a read: what the catalog keeps from the replicas may have become a read. */
  look(nodes: readonly PoolNode[]): void {
    const node = nodes.find(({ traits, isEjected }) => traits.isOneServer && !isEjected)
    if (node === undefined) return
    const standing = this.#catalog.standingOf(node.pool, performance.now())
    if (standing === 'due' || standing === 'unasked') this.#askBeside(node)
  }

  /** A verdict of another catalog is none; one from before the first was read never knew any function. */
  #isJudged(judgedBy: number): boolean {
    const { generation, isOutdated } = this.#catalog
    return !isOutdated && (judgedBy === generation || judgedBy === 0)
  }

  #askBeside(node: PoolNode): void {
    // Behind a load balancer it would ask another server.
    if (!node.traits.isOneServer || this.#due.has(node)) return
    this.#due.add(node)
    const over = (): void => void this.#due.delete(node)
    const connected = (_error: unknown, connection?: Connection): void => {
      if (connection === undefined) return over()
      if (this.#asked.has(serverOf(connection))) {
        over()
        return connection.release()
      }
      this.#ask(connection, (failure) => {
        over()
        connection.release(failure !== undefined)
      })
    }
    // It belongs to no request.
    runOutside(() => node.connect(connected, over))
  }

  #ask(connection: Connection, answered: (failure?: unknown) => void): void {
    const server = serverOf(connection)
    const { node, client } = connection
    this.#asked.set(server, [])
    const askedAt = performance.now()
    const settle = (failure: unknown): void => {
      const waiting = this.#asked.get(server)
      this.#asked.delete(server)
      if (failure !== undefined) node.learn({ kind: 'connection-error', error: failure })
      answered(failure)
      for (const wake of waiting ?? []) wake()
    }
    const hear = (error: unknown, rows: readonly (readonly (string | null)[])[]): void => {
      if (error) return settle(error)
      const [row] = rows
      const state = parseCatalogState(row?.[0], row?.[1])
      if (state === undefined)
        return settle(new Error(`[headwater] ${node.name} did not report the state of its catalog`))
      this.#catalog.heard(server, node.pool, state, askedAt)
      settle(undefined)
    }
    sendQuestion(client, CATALOG_STATE, hear, TIMEOUT_MILLIS)
  }
}

/** Behind a load balancer each connection leads to a server of its own. */
function serverOf({ node, client }: Connection): object {
  return node.traits.isOneServer ? node.pool : client
}
