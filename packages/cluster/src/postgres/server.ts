/**
 * How a server stops. `smart` waits for clients to leave, `fast` disconnects them and writes the data, `immediate` ends at once and
 * recovers at the next start.
 */
export type StopMode = 'smart' | 'fast' | 'immediate'

/** One PostgreSQL server, as every provider offers it: start and stop, without regard to its role. */
export interface Server {
  readonly name: string
  readonly host: string
  readonly port: number
  /** The address that the cluster's other nodes use. */
  readonly peerAddress: { readonly host: string; readonly port: number }
  readonly dataFolder: string
  readonly isRunning: boolean
  /** Resolves when it accepts connections. The port stays the same. */
  start(): Promise<void>
  stop(mode: StopMode): Promise<void>
  /** SIGKILL to every process of the server. */
  kill(): Promise<void>
  /** Throws away its data and becomes a standby of a server that runs, as a copy of it. It must be down, and stays so until `start()`. */
  becomeStandbyOf(source: Server): Promise<void>
  /** The end of the log. */
  log(): Promise<string>
}

/** What a provider returns: running servers, with replicas that follow the primary. */
export interface ProvidedServers {
  readonly primary: Server
  readonly replicas: readonly Server[]
  /** Ends every server and removes everything that was created for them. Does not throw if some of it is gone already. */
  dispose(): Promise<void>
}
