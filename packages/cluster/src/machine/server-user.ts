/** The account that the servers run under. */
export interface ServerUser {
  readonly uid: number
  /** What spawn() needs to run as this user. Empty when it is our own. */
  readonly identity: { readonly uid?: number; readonly gid?: number }
}
