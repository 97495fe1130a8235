/** The account that the servers run under. */
export interface ServerUser {
  readonly uid: number
  /** What spawn() needs to become this user; empty when we are it. */
  readonly identity: { readonly uid?: number; readonly gid?: number }
}
