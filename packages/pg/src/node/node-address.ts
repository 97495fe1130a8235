import type pg from 'pg'
import { unconnectedClient } from '../driver/unconnected-client.ts'

/** What stands between the user and the host of a URL. */
const PASSWORD_IN_URL = /\/\/[^/?#]*?:([^@/]*)@/

/** Where a server is, and what says so. */
export class NodeAddress {
  /** What configures it: an option or a variable. */
  readonly origin: string
  readonly #config: pg.PoolConfig
  readonly #options: () => pg.PoolConfig
  #unconnected: pg.Client | undefined

  /** `config` is the app's; `options` gives what its connections are made with. */
  constructor(origin: string, config: pg.PoolConfig, options: () => pg.PoolConfig) {
    this.origin = origin
    this.#config = config
    this.#options = options
  }

  /** A client to it that never connects, for what one says of itself. */
  get unconnected(): pg.Client {
    this.#unconnected ??= unconnectedClient(this.#options())
    return this.#unconnected
  }

  /** As pg reads its configuration; `undefined` when pg cannot read it: then so says the error of each query, too. */
  get place(): { readonly host: string; readonly port: number } | undefined {
    try {
      const { host, port } = this.unconnected
      return { host, port }
    } catch {
      return undefined
    }
  }

  /** What must not be shown of it. */
  get secrets(): readonly string[] {
    const inUrl = PASSWORD_IN_URL.exec(this.#config.connectionString ?? '')?.[1] ?? ''
    try {
      const { password } = this.unconnected
      return typeof password === 'string' ? [password, inUrl] : [inUrl]
    } catch {
      return [inUrl]
    }
  }

  /** How a message names it: what configures it, and where it is, as `DATABASE_URL (db.ams.internal:5432)`. */
  get label(): string {
    const { place } = this
    return place === undefined ? this.origin : `${this.origin} (${addressText(place)})`
  }
}

/** An address in one word, with brackets around an IPv6 address. */
export function addressText({ host, port }: { readonly host: string; readonly port: number }): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
