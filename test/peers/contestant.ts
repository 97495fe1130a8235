import type { StatementName } from './statements.ts'
import type { Nodes } from './world.ts'

/** Gives the server that answered, as it said itself; nothing, when the statement has no rows to say it in. */
export type Try = (body: string) => Promise<string | undefined>

/** How one of them says a statement. */
export interface Attempt {
  readonly run: Try
  /** Whether it can only be said in raw SQL. */
  readonly isRaw: boolean
}

/** One of those that are compared, open. */
export interface Opened {
  readonly attempts: Readonly<Partial<Record<StatementName, Attempt>>>
  close(): Promise<unknown>
}

export interface Contestant {
  readonly name: string
  readonly version: string
  open(nodes: Nodes): Promise<Opened>
}

export const built = (run: Try): Attempt => ({ run, isRaw: false })
export const raw = (run: Try): Attempt => ({ run, isRaw: true })

/** As many as leave no choice at random on one of two. */
const READS = 32

/** What many reads in a row say. */
export async function spread(read: () => Promise<string>): Promise<string> {
  const servers = new Set<string>()
  for (let n = 0; n < READS; n += 1) servers.add(await read())
  return servers.size === 1 ? 'one replica' : `${servers.size} replicas`
}

/** What a read of one's own row says: the count that it saw, and where. */
export function seen(row: { readonly who: string; readonly count: number } | undefined): string {
  return row?.count === 1 ? row.who : 'replica, without the row'
}
