import { runOutside } from '@headwater/core/internal'
import pg from 'pg'
import { clientsOf } from '../driver/pg-internals.ts'
import type { NodeEndpoint } from './node-endpoint.ts'
import type { NodeRole } from './node-role.ts'
import { guardedVerify, type VerifySession, verifyAfter, verifyReadOnly } from './verify-session.ts'

/** What the sessions of a server are made of. */
export interface SessionRecipe {
  /** The app's settings. */
  readonly config: pg.PoolConfig
  readonly Client: typeof pg.Client
  /** Says of each new session whether its server is the one that is wanted. */
  readonly admit: VerifySession | undefined
  /** Makes the sessions of a replica read-only (X1). */
  readonly endpoint: NodeEndpoint
}

/** The connections to one server: pg's pool for its role, and those of earlier roles that are still in use. */
export class NodePools {
  readonly #recipe: SessionRecipe
  readonly #listeners: ((pool: pg.Pool) => void)[] = []
  /** Pools of earlier roles whose connections are still in use. */
  readonly #leaving = new Set<Promise<void>>()
  /** Which pool each connection was made in. */
  readonly #homes = new WeakMap<object, pg.Pool>()
  current: pg.Pool

  constructor(recipe: SessionRecipe, role: NodeRole) {
    this.#recipe = recipe
    this.current = this.#make(role)
  }

  /** Calls back with the pool, and each later one. */
  each(listener: (pool: pg.Pool) => void): void {
    this.#listeners.push(listener)
    listener(this.current)
  }

  /** Gives out another pool from now on. Sessions of the old one end when they are given back. */
  replace(role: NodeRole): void {
    const old = this.current
    this.current = this.#make(role)
    for (const listener of this.#listeners) listener(this.current)
    const left = old.end().catch(() => undefined)
    this.#leaving.add(left)
    void left.finally(() => this.#leaving.delete(left))
  }

  /** Whether a connection was made in the pool that is given out now. */
  isCurrent(client: object): boolean {
    return this.#homes.get(client) === this.current
  }

  /** Closes those connections that `isMeant`, at once. */
  cut(isMeant: (client: object) => boolean): void {
    for (const client of clientsOf(this.current)) if (isMeant(client)) client.connection.stream.destroy()
  }

  /** Ends its connections, after those in use were given back. */
  async end(): Promise<void> {
    await Promise.all([this.current.end(), ...this.#leaving])
  }

  #make(role: NodeRole): pg.Pool {
    const { config: own, Client, admit, endpoint } = this.#recipe
    const config: pg.PoolConfig = { ...own, Client }
    // A spread loses what pg hides.
    if (own.password !== undefined) config.password = own.password
    const { onConnect, verify } = own
    if (onConnect !== undefined) config.onConnect = (client) => runOutside(() => onConnect(client))
    if (verify !== undefined) config.verify = guardedVerify(verify)
    if (admit !== undefined) config.verify = verifyAfter(admit, config.verify)
    if (role === 'replica') {
      config.verify = verifyReadOnly(config.verify, (client, opened) => endpoint.openReadOnly(client, opened))
    }
    const pool = new pg.Pool(config)
    pool.on('connect', (client) => this.#homes.set(client, pool))
    return pool
  }
}
