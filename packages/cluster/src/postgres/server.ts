/** How a server is asked to end: wait for clients, drop clients, or drop everything and recover at the next start. */
export type StopMode = 'smart' | 'fast' | 'immediate'

/** One PostgreSQL server as a provider hands it out: its life, nothing of its role. */
export interface Server {
  readonly name: string
  readonly host: string
  readonly port: number
  /** Where the other nodes of the cluster find it. */
  readonly peerAddress: { readonly host: string; readonly port: number }
  readonly dataFolder: string
  readonly isRunning: boolean
  /** Resolves when it accepts connections. Keeps its port. */
  start(): Promise<void>
  stop(mode: StopMode): Promise<void>
  /** SIGKILL to every process of the server. */
  kill(): Promise<void>
  /** The end of the log. */
  log(): Promise<string>
}

/** What a provider makes: servers that run, replicas that have been told where their primary is. */
export interface ProvidedServers {
  readonly primary: Server
  readonly replicas: readonly Server[]
  /** Ends every server and removes all that was made for them. Never throws because something is gone already. */
  dispose(): Promise<void>
}
