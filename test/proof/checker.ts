import type { History, LogEntry, Operation, Read, Write } from './history.ts'

/**
 * What a session is promised, after Terry et al., "Session Guarantees for Weakly Consistent Replicated Data" (1994). Each is
 * broken by one operation of a client that does not fit an earlier one of the same client.
 *
 * - `read-your-writes`: a read of a state without a write that its client had been told of.
 * - `monotonic-reads`: a read of an older state than its client had read.
 * - `monotonic-writes`: a write before one that its client had been told of.
 * - `writes-follow-reads`: a write before one that its client had read.
 */
export type Guarantee = 'read-your-writes' | 'monotonic-reads' | 'monotonic-writes' | 'writes-follow-reads'

/**
 * What must not happen whatever the consistency.
 *
 * - `lost`: the client was told of a write that the log does not have so.
 * - `doubled`: one write is in the log twice.
 * - `undead`: the client was told that a write did not happen, and the log has it.
 * - `torn`: a read showed a version of its key that is not the one of its state.
 */
export type Damage = 'lost' | 'doubled' | 'undead' | 'torn'

/** An operation, and the earlier one that it does not fit. */
export interface Violation {
  readonly guarantee: Guarantee
  readonly operation: Operation
  readonly earlier: Operation
}

export interface Verdict {
  /** How many operations break each guarantee. */
  readonly violations: Readonly<Record<Guarantee, number>>
  /** How many operations, or entries of the log, are damaged. */
  readonly damage: Readonly<Record<Damage, number>>
  /** The first violations of each guarantee. */
  readonly examples: readonly Violation[]
  /** The first damaged operations of each kind. */
  readonly damaged: readonly { readonly damage: Damage; readonly what: Operation | LogEntry }[]
  /**
   * Reads of a state that lacks a write which some client had been told of before. A session allows them: they show that
   * replicas did lag.
   */
  readonly staleReads: number
  /** Reads of a state that the log does not have so: of a history that was given up when another server was promoted. */
  readonly strayReads: number
}

export const GUARANTEES: readonly Guarantee[] = [
  'read-your-writes',
  'monotonic-reads',
  'monotonic-writes',
  'writes-follow-reads',
]
export const DAMAGES: readonly Damage[] = ['lost', 'doubled', 'undead', 'torn']

const MOST_EXAMPLES = 5

/**
 * Checks a history. Exact, and never false: an operation counts as earlier only when it had completed before the other was
 * invoked, a write of unknown outcome obliges nobody, and where a write is in the order of all writes is what the log
 * says. Takes time in proportion to n log n.
 */
export function check(history: History): Verdict {
  const tally = new Tally()
  const log = new LogIndex(history.log, tally)
  for (const operation of history.operations) log.examine(operation, tally)
  const operations = log.withoutStrays(history.operations)
  for (const session of sessionsOf(operations)) {
    sweep(session, (operation, { write, read }) => {
      const place = operation.kind === 'read' ? operation.state : log.placeOf(operation)
      if (place === undefined || !isInHistory(operation)) return
      // A state holds the write that it is named after; a write comes behind the state that its client had read.
      const isOlder =
        operation.kind === 'read' ? (before: number) => place < before : (before: number) => place <= before
      const own = operation.kind === 'read' ? 'read-your-writes' : 'monotonic-writes'
      const others = operation.kind === 'read' ? 'monotonic-reads' : 'writes-follow-reads'
      if (write?.serial !== undefined && isOlder(write.serial)) tally.violation(own, operation, write)
      if (read !== undefined && isOlder(read.state)) tally.violation(others, operation, read)
    })
  }
  let staleReads = 0
  sweep(operations, (operation, { write }) => {
    if (operation.kind === 'read' && operation.outcome === 'ok' && operation.state < (write?.serial ?? 0))
      staleReads += 1
  })
  const strayReads = history.operations.filter((operation) => log.isStray(operation)).length
  return { ...tally.result(), staleReads, strayReads }
}

/** A failed read showed nothing. A failed write that the log has all the same is damage, and no more. */
function isInHistory(operation: Operation): boolean {
  return operation.outcome === 'ok' || operation.outcome === 'unknown'
}

/** The greatest that had completed before an operation was invoked. */
interface Before {
  write: (Write & { readonly serial: number | undefined }) | undefined
  read: Read | undefined
}

/** Visits operations in the order of their invocations, each with what had completed by then. */
function sweep(
  operations: readonly Operation[],
  visit: (operation: Operation, before: Readonly<Before>) => void,
): void {
  const byInvocation = operations.toSorted((left, right) => left.invoked - right.invoked)
  const byCompletion = operations.toSorted((left, right) => left.completed - right.completed)
  const before: Before = { write: undefined, read: undefined }
  let next = 0
  for (const operation of byInvocation) {
    for (; next < byCompletion.length; next += 1) {
      const earlier = byCompletion[next]
      if (earlier === undefined || earlier.completed >= operation.invoked) break
      if (earlier.outcome !== 'ok') continue
      if (earlier.kind === 'read') {
        if (before.read === undefined || earlier.state > before.read.state) before.read = earlier
      } else if (earlier.serial !== undefined && earlier.serial > (before.write?.serial ?? 0)) before.write = earlier
    }
    visit(operation, before)
  }
}

function sessionsOf(operations: readonly Operation[]): Iterable<readonly Operation[]> {
  const sessions = new Map<number, Operation[]>()
  for (const operation of operations) {
    const session = sessions.get(operation.client)
    if (session === undefined) sessions.set(operation.client, [operation])
    else session.push(operation)
  }
  return sessions.values()
}

/** The log, by who wrote and by key. */
class LogIndex {
  readonly #entries = new Map<string, LogEntry>()
  /** The serial numbers of each key's writes, ascending. */
  readonly #versions = new Map<number, number[]>()
  readonly #authors = new Map<number, string>()
  readonly #last: number

  constructor(log: readonly LogEntry[], tally: Tally) {
    const ordered = log.toSorted((left, right) => left.serial - right.serial)
    for (const entry of ordered) {
      const name = nameOf(entry)
      if (this.#entries.has(name)) tally.harm('doubled', entry)
      else this.#entries.set(name, entry)
      this.#authors.set(entry.serial, name)
      const versions = this.#versions.get(entry.key)
      if (versions === undefined) this.#versions.set(entry.key, [entry.serial])
      else versions.push(entry.serial)
    }
    this.#last = ordered.at(-1)?.serial ?? 0
  }

  /** Where a write is in the order of all writes; `undefined` when it did not happen. */
  placeOf(write: Write): number | undefined {
    return this.#entries.get(nameOf(write))?.serial
  }

  /** Whether it is a read of a state that another history has under this number. */
  isStray(operation: Operation): boolean {
    if (operation.kind !== 'read' || operation.outcome !== 'ok') return false
    const { author, state } = operation
    return author !== undefined && author !== '' && this.#authors.get(state) !== author
  }

  /**
   * Strays hold what both histories have, and nothing more is known of them: up to the first state in which the two differ. A lost
   * write is damage, and obliges nobody besides.
   */
  withoutStrays(operations: readonly Operation[]): readonly Operation[] {
    let common = Number.POSITIVE_INFINITY
    for (const operation of operations) {
      if (operation.kind === 'read' && this.isStray(operation)) common = Math.min(common, operation.state - 1)
      if (operation.kind === 'write' && this.#isLost(operation)) common = Math.min(common, (operation.serial ?? 1) - 1)
    }
    return operations.map((operation) => {
      if (operation.kind === 'read') return this.isStray(operation) ? { ...operation, state: common } : operation
      return this.#isLost(operation) ? { ...operation, outcome: 'unknown' } : operation
    })
  }

  #isLost(write: Write): boolean {
    const entry = this.#entries.get(nameOf(write))
    return (
      write.outcome === 'ok' &&
      write.serial !== undefined &&
      !(entry?.serial === write.serial && entry?.key === write.key)
    )
  }

  /** Compares an operation with what the log says of it. */
  examine(operation: Operation, tally: Tally): void {
    if (operation.kind === 'read') {
      if (operation.outcome !== 'ok' || this.isStray(operation)) return
      const { state, version, key } = operation
      if (state > this.#last || version !== this.#versionAt(key, state)) tally.harm('torn', operation)
      return
    }
    const entry = this.#entries.get(nameOf(operation))
    if (operation.outcome === 'failed' && entry !== undefined) tally.harm('undead', operation)
    const isAsTold = entry?.serial === operation.serial && entry?.key === operation.key
    if (operation.outcome === 'ok' && !isAsTold) tally.harm('lost', operation)
  }

  /** The last write to `key` in `state`: by bisection. */
  #versionAt(key: number, state: number): number {
    const versions = this.#versions.get(key) ?? []
    let low = 0
    let high = versions.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((versions[middle] ?? 0) <= state) low = middle + 1
      else high = middle
    }
    return versions[low - 1] ?? 0
  }
}

function nameOf({ client, sequence }: { readonly client: number; readonly sequence: number }): string {
  return `${client}/${sequence}`
}

class Tally {
  readonly #violations: Record<Guarantee, number> = {
    'read-your-writes': 0,
    'monotonic-reads': 0,
    'monotonic-writes': 0,
    'writes-follow-reads': 0,
  }
  readonly #damage: Record<Damage, number> = { lost: 0, doubled: 0, undead: 0, torn: 0 }
  readonly #examples: Violation[] = []
  readonly #damaged: { readonly damage: Damage; readonly what: Operation | LogEntry }[] = []

  violation(guarantee: Guarantee, operation: Operation, earlier: Operation): void {
    this.#violations[guarantee] += 1
    if (this.#violations[guarantee] <= MOST_EXAMPLES) this.#examples.push({ guarantee, operation, earlier })
  }

  harm(damage: Damage, what: Operation | LogEntry): void {
    this.#damage[damage] += 1
    if (this.#damage[damage] <= MOST_EXAMPLES) this.#damaged.push({ damage, what })
  }

  result(): Omit<Verdict, 'staleReads' | 'strayReads'> {
    return {
      violations: this.#violations,
      damage: this.#damage,
      examples: this.#examples,
      damaged: this.#damaged,
    }
  }
}
