import type { Logger } from '@headwater/core'
import {
  type ClientSession,
  compareFreshness,
  type Frame,
  type ReadPosition,
  type ReplicaState,
  warn,
} from '@headwater/core/internal'
import { TablePolicy } from './table-policy.ts'

/** Tables that a session wrote lately. */
interface Written {
  readonly tables: readonly string[]
  readonly session: ClientSession
  readonly at: number
}

/** How long a write is remembered: as long as its client's token is valid by default. */
const REMEMBERED_MILLIS = 60_000
const MOST_WRITES = 256
const NOBODY: ReadonlySet<ClientSession> = new Set()

/** What stands before the name of a table that is written, as the grammar allows it, and that name. */
const TARGET =
  /\b(?:insert\s+into|update(?:\s+only)?|delete\s+from(?:\s+only)?|merge\s+into(?:\s+only)?|truncate(?:\s+table)?(?:\s+only)?|copy)\s+((?:"(?:[^"]|"")+"|[\w$]+)(?:\s*\.\s*(?:"(?:[^"]|"")+"|[\w$]+))*)/gi

/**
 * Warns during development when a replica is read for a table that the same scope, or the scope that its client's token came
 * from, has just written in this process. It looks at words, not grammar, so a warning is a hint.
 *
 * Only reads without a freshness guarantee can cause it: `eventual`, `bounded` and `withReplica`.
 */
export class StaleReadDetector {
  readonly #writes: Written[] = []
  readonly #logger: Logger | false | undefined

  constructor(logger?: Logger | false) {
    this.#logger = logger
  }

  /** Notes what a statement of a scope writes. */
  noteWrite(text: string | undefined, session: ClientSession, now: number): void {
    const tables = writtenTables(text ?? '')
    if (tables.length === 0) return
    this.#writes.push({ tables, session, at: now })
    if (this.#writes.length > MOST_WRITES) this.#writes.shift()
  }

  /** Checks a read that goes to a replica; `state` is the known state of the replica. */
  check(
    text: string | undefined,
    frame: Frame | undefined,
    node: string,
    state: ReplicaState | undefined,
    now: number,
  ): void {
    const session = frame?.scope?.session
    if (session === undefined || text === undefined) return
    const { minPosition } = session
    const isBehind = minPosition !== undefined && compareFreshness(state, minPosition) !== 'caught-up'
    const before = isBehind ? this.#scopesBehind(minPosition) : NOBODY
    for (const write of this.#writes) {
      const isOwn = write.session === session
      if (now - write.at > REMEMBERED_MILLIS || !(isOwn || before.has(write.session))) continue
      const table = write.tables.find((name) => new TablePolicy([name]).mayRead(text))
      if (table !== undefined) this.#warn(table, node, isOwn)
    }
  }

  /** The sessions whose writes a token stands for: the one that issued it, the one whose token that one had, and so on. */
  #scopesBehind(token: ReadPosition): ReadonlySet<ClientSession> {
    const scopes = new Set<ClientSession>()
    let link: ReadPosition | undefined = token
    for (const { session } of this.#writes.toReversed()) {
      if (link === undefined) break
      if (scopes.has(session) || !isSamePosition(session.positionNow(), link)) continue
      scopes.add(session)
      link = session.minPosition
    }
    return scopes
  }

  #warn(table: string, node: string, isOwn: boolean): void {
    const writer = isOwn ? 'the same scope' : 'this client, a moment ago,'
    warn('HEADWATER_STALE_READ', { table, server: node, writer }, { about: `${table} ${isOwn}`, logger: this.#logger })
  }
}

/** Compares without the replica that was read since. */
function isSamePosition(left: ReadPosition | undefined, right: ReadPosition): boolean {
  return left?.cluster === right.cluster && left.timeline === right.timeline && left.lsn === right.lsn
}

/** The tables that a text writes, by name without schema, as Postgres folds it. */
export function writtenTables(text: string): string[] {
  const names = [...text.matchAll(TARGET)].flatMap(([, name]) => (name === undefined ? [] : [lastPart(name)]))
  return [...new Set(names)]
}

function lastPart(name: string): string {
  const part = /(?:"(?:[^"]|"")+"|[\w$]+)$/.exec(name)?.[0] ?? name
  return part.startsWith('"') ? part.slice(1, -1).replaceAll('""', '"') : part.toLowerCase()
}
