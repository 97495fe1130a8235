/** As much of pg's client as is used here: `pg` is optional, so its types are not needed. */
export interface PgClient {
  connect(): Promise<unknown>
  query(query: {
    readonly text: string
    readonly rowMode: 'array'
    readonly query_timeout: number
    readonly types: { readonly getTypeParser: () => (text: unknown) => unknown }
  }): Promise<{ readonly rows: readonly (readonly (string | null)[])[] }>
  end(): Promise<void>
  on(event: 'error', listener: () => void): unknown
  readonly connection: { readonly stream: { destroy(): void } }
  readonly processID: number | null
}

/** The class of pg's clients. */
export type PgClientClass = new (config: object) => PgClient

/** One server of the pool: see `WiredServer` of `@headwater/pg`. */
export interface WiredServer {
  readonly origin: string
  readonly label: string
  readonly region: string | undefined
  readonly role: 'primary' | 'replica'
  readonly isOneServer: boolean
  readonly config: { readonly max?: number | undefined; readonly Client?: unknown }
}

/** How the app's pool is wired: see `PoolWiring` of `@headwater/pg`. */
export interface Wiring {
  readonly region: string | undefined
  readonly primaryRegion: string | undefined
  readonly servers: readonly WiredServer[]
  readonly isKnownExtension: (name: string) => boolean
}
