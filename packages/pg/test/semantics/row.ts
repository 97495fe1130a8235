import type { World } from '@headwater/test-world'
import type pg from 'pg'

/** What a row is run against: bare pg at the primary, or a RoutedPool in its region with a replica next door. */
export interface Subject {
  readonly world: World
  /** Opens a pool of this kind; it is ended after the row, and must end. */
  open(options?: pg.PoolConfig): pg.Pool
}

/** One thing that pg or pg-pool does, as code that is run against both, and what comes of it. */
export interface Row {
  /** What a user of pg counts on, as a sentence. */
  readonly says: string
  readonly run: (subject: Subject) => Promise<unknown> | unknown
  /** What `run` gives on bare pg; on a RoutedPool too, unless it differs. */
  readonly gives: unknown
  readonly differs?: {
    /** What a RoutedPool does instead, and why, as table cells. */
    readonly here: string
    readonly why: string
    readonly gives: unknown
  }
}

export interface Area {
  readonly title: string
  readonly rows: readonly Row[]
}

/** Any call of `query`, also those that its types refuse. */
export function ask(target: pg.Pool | pg.PoolClient, ...given: unknown[]): unknown {
  return Reflect.apply(target.query, target, given)
}

/** As `ask`, in the promise form. */
export async function rowsOf(target: pg.Pool | pg.PoolClient, ...given: unknown[]): Promise<unknown> {
  return ((await ask(target, ...given)) as pg.QueryResult).rows
}

/** How a call ends: by a throw, a rejection or an answer. */
export async function endOf(act: () => unknown): Promise<string> {
  let returned: unknown
  try {
    returned = act()
  } catch (error) {
    return `throws ${inWords(error)}`
  }
  try {
    await returned
  } catch (error) {
    return `rejects with ${inWords(error)}`
  }
  return 'is answered'
}

/** A database error by its code; any other by its words. */
export function inWords(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { code } = error as { code?: unknown }
  return typeof code === 'string' ? code : `${error.name}: ${error.message}`
}

/** What a callback is called with. */
export function calledWith(start: (callback: (...given: unknown[]) => void) => unknown): Promise<unknown[]> {
  return new Promise((resolve) => {
    start((...given) => resolve(given))
  })
}

/** A client for a while; released also when `use` fails. */
export async function withClient<Result>(
  pool: pg.Pool,
  use: (client: pg.PoolClient) => Promise<Result>,
): Promise<Result> {
  const client = await pool.connect()
  try {
    return await use(client)
  } finally {
    client.release()
  }
}

/** A property that pg's types do not declare. */
export function property(target: object, name: string): unknown {
  return Reflect.get(target, name)
}

/** Calls a method that pg's types do not declare. */
export function call(target: object, name: string, ...given: unknown[]): unknown {
  return Reflect.apply(property(target, name) as (...given: unknown[]) => unknown, target, given)
}
