import type { EventEmitter } from 'node:events'
import type pg from 'pg'
import { sendText } from './query-call.ts'
import type { Connection } from './router.ts'

/** The events of a pg client that come from its connection. */
const FORWARDED = ['notification', 'notice', 'drain', 'end'] as const

type TypeParser = Parameters<pg.Client['setTypeParser']>

/** The connections that one leased client holds: at most one to the primary and one to a replica. */
export class ConnectionSet {
  onPrimary: Connection | undefined
  onReplica: Connection | undefined
  /** The one that was used last. */
  latest: Connection | undefined
  readonly #owner: EventEmitter
  readonly #detach = new Map<Connection, () => void>()
  readonly #typeParsers: TypeParser[] = []

  constructor(owner: EventEmitter) {
    this.#owner = owner
  }

  get clients(): pg.PoolClient[] {
    return [...this.#detach.keys()].map((connection) => connection.client)
  }

  /** Takes a connection in: its events reach the owner's listeners, and its type parsers are the owner's. */
  add(connection: Connection): void {
    const { client, node } = connection
    const owner = this.#owner
    const forwarders = FORWARDED.map((event) => [event, (...args: unknown[]) => owner.emit(event, ...args)] as const)
    // Without a listener of its own, a checked-out client that loses its connection ends the process.
    const onError = (error: Error) => {
      node.publish('connection-error', error)
      if (owner.listenerCount('error') > 0) owner.emit('error', error)
    }
    for (const [event, forward] of forwarders) Reflect.apply(client.on, client, [event, forward])
    client.on('error', onError)
    this.#detach.set(connection, () => {
      for (const [event, forward] of forwarders) client.removeListener(event, forward)
      client.removeListener('error', onError)
    })
    for (const parser of this.#typeParsers) client.setTypeParser(...parser)
    if (node.kind === 'primary') this.onPrimary = connection
    else this.onReplica = connection
  }

  setTypeParser(parser: TypeParser): void {
    this.#typeParsers.push(parser)
    for (const client of this.clients) client.setTypeParser(...parser)
  }

  /** Lets go of one connection. */
  drop(connection: Connection, destroy: Error | boolean): void {
    if (this.onReplica === connection) this.onReplica = undefined
    if (this.onPrimary === connection) this.onPrimary = undefined
    if (this.latest === connection) this.latest = undefined
    const detach = this.#detach.get(connection)
    this.#detach.delete(connection)
    if (detach !== undefined) giveBack(connection, destroy, detach)
  }

  /** Lets go of them all. */
  dropAll(destroy: Error | boolean): void {
    for (const connection of [...this.#detach.keys()]) this.drop(connection, destroy)
  }
}

/** A connection goes back at rest or not at all: an open transaction is rolled back, an unfinished answer closes it. */
function giveBack(connection: Connection, destroy: Error | boolean, detach: () => void): void {
  const { client } = connection
  const leave = (how: Error | boolean) => {
    detach()
    connection.release(how || undefined)
  }
  if (destroy || client.isLost || !client.isSettled) return leave(destroy || true)
  if (client.sessionStatus === 'I') return leave(false)
  sendText(client, 'ROLLBACK', (error) => leave(Boolean(error) || client.sessionStatus !== 'I'))
}
