/** Why this package refused or failed. A closed list. */
export type ClusterErrorCode =
  | 'CLUSTER_OPTIONS_INVALID'
  | 'CLUSTER_PLATFORM_UNSUPPORTED'
  | 'CLUSTER_BINARIES_MISSING'
  | 'CLUSTER_NO_UNPRIVILEGED_USER'
  | 'CLUSTER_DOCKER_MISSING'
  | 'CLUSTER_START_FAILED'
  | 'CLUSTER_NODE_DOWN'
  | 'CLUSTER_WRONG_ROLE'
  | 'CLUSTER_TIMEOUT'
  | 'CLUSTER_STOPPED'

export interface ClusterErrorOptions {
  readonly cause?: unknown
  /** A server's log. Its last 4 KB are appended to the message. */
  readonly log?: string
}

/** How many characters of a log a message shows. */
const SHOWN = 4_096

/** The only error of this package. `code` says what went wrong, the message says what to do about it. */
export class ClusterError extends Error {
  override readonly name: string = 'ClusterError'
  readonly code: ClusterErrorCode

  constructor(code: ClusterErrorCode, message: string, options: ClusterErrorOptions = {}) {
    const log = options.log?.slice(-SHOWN).trim()
    super(
      `[cluster] ${message}${log ? `\nThe server's log ends with:\n${log}` : ''}`,
      options.cause === undefined ? undefined : { cause: options.cause },
    )
    this.code = code
  }
}
