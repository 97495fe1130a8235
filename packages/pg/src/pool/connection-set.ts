import type { EventEmitter } from 'node:events'
import type pg from 'pg'
import { sendText } from '../driver/send.ts'
import type { Connection } from '../node/pool-node.ts'

type TypeParser = Parameters<pg.Client['setTypeParser']>

/** The connections that one leased client holds: at most one to the primary and one to a replica. */
export class ConnectionSet {
  onPrimary: Connection | undefined
  onReplica: Connection | undefined
  /** The connection that was used last. */
  latest: Connection | undefined
  readonly #owner: EventEmitter
  #typeParsers: TypeParser[] | undefined

  constructor(owner: EventEmitter) {
    this.#owner = owner
  }

  get clients(): pg.PoolClient[] {
    return [this.onPrimary, this.onReplica].flatMap((connection) => connection?.client ?? [])
  }

  /** Adds a connection: its events reach the owner's listeners, and it gets the owner's type parsers. */
  add(connection: Connection): void {
    const { client, role } = connection
    client.owner = this.#owner
    if (this.#typeParsers !== undefined) for (const parser of this.#typeParsers) client.setTypeParser(...parser)
    if (role === 'primary') this.onPrimary = connection
    else this.onReplica = connection
  }

  setTypeParser(parser: TypeParser): void {
    this.#typeParsers ??= []
    this.#typeParsers.push(parser)
    for (const client of this.clients) client.setTypeParser(...parser)
  }

  /** The parser that was set for this type and format, before or after a connection was there. */
  getTypeParser([oid, format = 'text']: readonly unknown[]): unknown {
    return this.#typeParsers
      ?.findLast(([own, formatOrParser, parser]) =>
        parser === undefined ? own === oid && format === 'text' : own === oid && formatOrParser === format,
      )
      ?.at(-1)
  }

  /** Closes them all, and waits until they are. */
  async end(): Promise<void> {
    await Promise.all([this.onPrimary, this.onReplica].map((connection) => connection?.client.end()))
  }

  /** Gives one connection back. */
  drop(connection: Connection, destroy: Error | boolean): void {
    if (this.onReplica === connection) this.onReplica = undefined
    else if (this.onPrimary === connection) this.onPrimary = undefined
    else return
    if (this.latest === connection) this.latest = undefined
    giveBack(connection, destroy)
  }

  /** Gives all connections back. */
  dropAll(destroy: Error | boolean): void {
    if (this.onPrimary !== undefined) this.drop(this.onPrimary, destroy)
    if (this.onReplica !== undefined) this.drop(this.onReplica, destroy)
  }
}

/** Gives a connection back at rest: an open transaction is rolled back, and one with an unfinished answer is closed instead. */
function giveBack(connection: Connection, destroy: Error | boolean): void {
  const { client, mustClose } = connection
  if (destroy || mustClose || client.isLost || !client.isSettled) return leave(connection, destroy || true)
  if (client.sessionStatus === 'I') return leave(connection, false)
  sendText(client, 'ROLLBACK', (error) => leave(connection, Boolean(error) || client.sessionStatus !== 'I'))
}

function leave({ client, release }: Connection, how: Error | boolean): void {
  // One that is lost has still to say that it has ended.
  if (!client.isLost) client.owner = undefined
  release(how || undefined)
}
