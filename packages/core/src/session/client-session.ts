import { NEVER_REACHED } from './lsn.ts'
import {
  joinNodes,
  mergePositions,
  NO_NODE,
  type Position,
  positionAtPrimary,
  type ReadPosition,
  UNKNOWN_POSITION,
} from './read-position.ts'

/** What can report the primary's position: the pool that wrote there. */
export interface PositionSource {
  /**
   * The primary's position now, at or past every commit that was answered before the call (F2). `isCommitAsync`: a
   * commit may have been answered before it was flushed. Rejects when the primary does not answer.
   */
  whereIsPrimary(isCommitAsync: boolean): Promise<Position>
}

/** How a write has ended: `committed` when some of it may be, `undone` when nothing of it is, `unknown` when it may be yet. */
export type WriteOutcome = 'committed' | 'undone' | 'unknown'

/** Options of a `ClientSession`. */
export interface ClientSessionOptions {
  /** What the client had seen before; `undefined` when it brought no token. */
  readonly minPosition?: ReadPosition | undefined
  /** Whether what reads see here counts for the client's next request too (F5). Default: when there is a `minPosition`. */
  readonly isTracked?: boolean | undefined
  /** Whether only writes may count, whatever happens here: `isTracked` stays `false`. Default `false`. */
  readonly isForWritesOnly?: boolean | undefined
  /**
   * Whether the client's own replicas are elsewhere: its request was replayed here. Then tracked reads run
   * at the primary, so that its token holds a position and not the mark of a server here; with a mark, every later read at
   * the client's replicas would have to come here again. Default `false`.
   */
  readonly isVisiting?: boolean | undefined
  /** Whether `capturePosition()` will be called: then a COMMIT may bring the position along. Default `false`. */
  readonly isWanted?: boolean | undefined
}

/** What one scope has seen and written, and so what its client must see from then on. */
export class ClientSession {
  #isVisiting: boolean
  readonly isWanted: boolean
  readonly #isForWritesOnly: boolean
  #minPosition: ReadPosition | undefined
  #isTracked: boolean
  /** Whether more was seen than is known here, so that reads go to the primary. */
  #isUnsure = false
  #wasShownMore = false
  /** Whether a commit here may be answered before it is flushed. */
  isCommitAsync = false
  /** Whether a write was sent (R4). */
  hasWritten = false
  /** Whether something of it may be committed: then not all of it can be done again. */
  mayHaveCommitted = false
  /** The replica that was read from: its mark, its history. */
  #readOn: ReadPosition | undefined
  /** Whether the primary is known to show all that replicas have shown here. */
  #isShown = false
  #primaryReads = 0
  #writes = 0
  #underway = 0
  #unanswered = 0
  #whenAnswered: readonly (() => void)[] = NOBODY
  /** The writes since `place()`; more where the position was doubted. */
  #unplaced = 0
  /** Whether the outcome of a write was lost: the server may commit it later than any position that it says now. */
  #hasLostWrite = false
  #hasBeenPlaced = false
  #placing: Promise<void> | undefined
  /** Counts what the primary did for this scope: a position counts only when it was taken after all of it. */
  #done = 0
  #known: { readonly position: Position; readonly done: number } | undefined
  #sources: Set<PositionSource> | undefined

  constructor(options: ClientSessionOptions = {}) {
    this.#minPosition = options.minPosition
    this.#isForWritesOnly = options.isForWritesOnly ?? false
    this.#isTracked = !this.#isForWritesOnly && (options.isTracked ?? options.minPosition !== undefined)
    this.#isVisiting = options.isVisiting ?? false
    this.isWanted = options.isWanted ?? false
  }

  /** What it must see whatever it does here: what its client had seen before, what the app brought since (F8), and what it had done by `place()`. */
  get minPosition(): ReadPosition | undefined {
    return this.#minPosition
  }

  /** Whether the client's own replicas are elsewhere, and its token is still to be made. */
  get isVisiting(): boolean {
    return this.#isVisiting
  }

  /** Call when the client's token is made: a stream reads on here, and its marks go nowhere. */
  endVisit(): void {
    this.#isVisiting = false
  }

  /** Whether what reads see here counts for the client's next request too (F5, F9). */
  get isTracked(): boolean {
    return this.#isTracked
  }

  /** Whether the app brought a token into this scope (F8). */
  get wasShownMore(): boolean {
    return this.#wasShownMore
  }

  /** What the next read here must not be older than: `minPosition`, and what this scope has already read (F5). */
  get seen(): ReadPosition | undefined {
    if (this.#isUnsure) return UNKNOWN_POSITION
    if (!this.isTracked) return this.minPosition
    if (this.#primaryReads > 0 || this.isVisiting) return UNKNOWN_POSITION
    return withNode(this.minPosition, this.#readOn)
  }

  /** Whether this scope itself has seen or written something that counts. */
  get hasSeenMore(): boolean {
    return this.hasWritten || this.#primaryReads > 0 || this.#readOn !== undefined || this.#wasShownMore
  }

  /** Takes what the app says that the client has seen: a token from elsewhere (F8). Later reads here are not older. */
  see(position: ReadPosition): void {
    this.#wasShownMore = true
    this.arriveWith(position)
  }

  /** Takes what a carrier brought that is read after the session has begun: the client knows it already. */
  arriveWith(position: ReadPosition): void {
    const before = withNode(this.#minPosition, this.#readOn)
    this.#minPosition = before === undefined ? position : mergePositions(before, position)
    this.#isShown = false
    // What the primary has reported may be older than that.
    this.#done += 1
    this.begin()
  }

  /** Notes that a carrier could not say what it holds: reads go to the primary. Nothing of it is left for the next request. */
  arriveUnsure(): void {
    this.#isUnsure = true
    this.begin()
  }

  /** Begins a session: from now on reads count for the client's next request (F9). */
  begin(): void {
    if (!this.#isForWritesOnly) this.#isTracked = true
  }

  /** Where what this scope has done was known to be at the last `place()`; `undefined` before it. */
  get placed(): ReadPosition | undefined {
    return this.#hasBeenPlaced ? this.#minPosition : undefined
  }

  /** Whether something was written since `place()`: then only the primary is sure to have it. Counts outside requests only (R4). */
  get isUnplaced(): boolean {
    return this.#unplaced > 0
  }

  /** Whether one write was sent, and no more. */
  get hasWrittenOnce(): boolean {
    return this.#writes === 1
  }

  /** Call before a write is sent. It is under way until `writeEnded()`: committed, rolled back, or lost. */
  writeSent(source: PositionSource): void {
    this.hasWritten = true
    this.#writes += 1
    this.#unplaced += 1
    this.#underway += 1
    this.#from(source)
  }

  /** Call once for each `writeSent()`, when its transaction has ended. */
  writeEnded(outcome: WriteOutcome = 'committed'): void {
    this.#underway -= 1
    this.#done += 1
    if (outcome === 'unknown') this.#hasLostWrite = true
    if (outcome !== 'undone') this.mayHaveCommitted = true
  }

  /** Call instead of `writeEnded()` when no connection could be made: then nothing was written. */
  writeNotSent(): void {
    this.#underway -= 1
    this.#writes -= 1
    this.#unplaced -= 1
    if (this.#writes === 0) this.hasWritten = false
  }

  /** Call before a write is sent, or the end of a transaction that wrote: its answer is on its way until `answered()`. */
  answerAwaited(): void {
    this.#unanswered += 1
  }

  /** Call once for each `answerAwaited()`: when it was answered, or will not be. */
  answered(): void {
    this.#unanswered -= 1
    if (this.#unanswered > 0 || this.#whenAnswered.length === 0) return
    const listeners = this.#whenAnswered
    this.#whenAnswered = NOBODY
    for (const listener of listeners) listener()
  }

  /** Whether a write, or the end of a transaction that wrote, is on its way (P11). */
  get isAnswerAwaited(): boolean {
    return this.#unanswered > 0
  }

  /** Calls `listener` once, as soon as nothing is on its way that has written. */
  whenAnswered(listener: () => void): void {
    this.#whenAnswered = [...this.#whenAnswered, listener]
  }

  /**
   * Call before a read is sent to the primary. Returns whether it counts. `isAskedFor`: the app itself asked for the primary; then a session
   * begins, if there is a client to tell (F9).
   */
  readAtPrimary(source: PositionSource, isAskedFor = false): boolean {
    if (isAskedFor && this.isWanted) this.begin()
    if (!this.isTracked && !this.hasWritten) return false
    this.#primaryReads += 1
    this.#done += 1
    this.#from(source)
    return true
  }

  /** Takes back a `readAtPrimary()` that counted, when no connection could be made. */
  readNotSent(): void {
    // It may be among those that `place()` took away; one too many costs a question, one too few a stale read.
    if (!this.#hasBeenPlaced) this.#primaryReads -= 1
  }

  /** Call before a read is sent to a replica. */
  readAtReplica(replica: ReadPosition): void {
    if (!this.isTracked) return
    this.#isShown = false
    // After a write it may see more than the position that the primary reported for that write.
    if (this.hasWritten) this.#done += 1
    const before = this.#readOn
    if (before === undefined || before.node === replica.node) this.#readOn = replica
    else this.#readOn = { ...replica, node: joinNodes(before.node, replica.node) }
  }

  /**
   * Whether a replica has shown its client what the primary may not show yet: a commit that waits for a synchronous standby has
   * reached the others already.
   */
  get mayBeAhead(): boolean {
    return !this.#isShown && this.#isTracked && (this.#readOn ?? this.#minPosition ?? NOTHING_SEEN).node !== NO_NODE
  }

  /** Call when the primary shows all that was flushed there before. */
  shownAtPrimary(): void {
    this.#isShown = true
  }

  /** Takes the position that the primary reported right after a commit. */
  committedAt(position: Position): void {
    if (this.#underway === 0) this.#known = { position, done: this.#done }
  }

  /** Call when the position does not say any more what a read must see: after a promotion. */
  doubt(source: PositionSource): void {
    this.#unplaced += 1
    this.#done += 1
    this.#from(source)
  }

  /** Whether only the primary is sure to have what was seen here, and its position would change that. */
  get canBePlaced(): boolean {
    const mustAsk = this.#unplaced > 0 || (this.isTracked && this.#primaryReads > 0)
    if (this.isVisiting) return false
    return mustAsk && this.#underway === 0 && !this.#hasLostWrite && this.#onlySource !== undefined
  }

  /**
   * Asks the primary for its position, and has `minPosition` stand for all that was seen and written here: from then on a replica
   * that has it may answer. For scopes that are no requests; never rejects.
   */
  place(): Promise<void> {
    if (!this.canBePlaced) return Promise.resolve()
    this.#placing ??= this.#placeNow().finally(() => {
      this.#placing = undefined
    })
    return this.#placing
  }

  async #placeNow(): Promise<void> {
    const [done, unplaced, primaryReads] = [this.#done, this.#unplaced, this.#primaryReads]
    let position: Position | undefined
    try {
      position = await this.#onlySource?.whereIsPrimary(this.isCommitAsync)
    } catch {
      // It stays unknown, and reads stay at the primary.
    }
    // What was sent meanwhile may be later than this position.
    const isOutdated = this.#underway > 0 || this.#unplaced !== unplaced || this.#hasLostWrite
    if (position === undefined || isOutdated || (this.isTracked && this.#primaryReads !== primaryReads)) return
    if (this.#done === done) this.#known = { position, done }
    this.#minPosition = positionAtPrimary(this.#minPosition, position)
    this.#unplaced = 0
    this.#primaryReads = 0
    this.#readOn = undefined
    this.#hasBeenPlaced = true
  }

  /**
   * What the client has seen by now, for its token; `undefined` when it needs none. Asks the primary for its position,
   * once, when this scope wrote there or a tracked one read there (F2). A write that is still under way, and a primary that
   * does not answer, give `UNKNOWN_POSITION`: reads stay at the primary until the token expires. Never rejects.
   */
  async capturePosition(): Promise<ReadPosition | undefined> {
    if (this.mustAskPrimary) await this.#ask()
    return this.positionNow()
  }

  /** The same without asking: `UNKNOWN_POSITION` where the primary would have to be asked. */
  positionNow(): ReadPosition | undefined {
    if (this.#underway > 0) return UNKNOWN_POSITION
    if (!this.hasWritten && this.#primaryReads === 0) return withNode(this.minPosition, this.#readOn)
    const position =
      this.#onlySource === undefined || this.#known?.done !== this.#done ? undefined : this.#known.position
    return position === undefined ? UNKNOWN_POSITION : positionAtPrimary(this.minPosition, position)
  }

  /** Whether `capturePosition()` has to ask the primary, which takes a round trip. */
  get mustAskPrimary(): boolean {
    const hasToSay = this.hasWritten || this.#primaryReads > 0
    return hasToSay && this.#underway === 0 && this.#onlySource !== undefined && this.#known?.done !== this.#done
  }

  /** Two databases have no common position. */
  get #onlySource(): PositionSource | undefined {
    const [source, other] = this.#sources ?? []
    return other === undefined ? source : undefined
  }

  async #ask(): Promise<void> {
    const done = this.#done
    try {
      const position = await this.#onlySource?.whereIsPrimary(this.isCommitAsync)
      // What was sent meanwhile may be later than this position.
      if (position !== undefined && this.#underway === 0 && this.#done === done) this.#known = { position, done }
    } catch {
      // The position stays unknown.
    }
  }

  #from(source: PositionSource): void {
    this.#sources ??= new Set()
    this.#sources.add(source)
  }
}

const NOBODY: readonly (() => void)[] = []

const NOTHING_SEEN = { node: NO_NODE }

/** Adds the mark of the replica that was read from: a replica is only read from when it has all of `minPosition`. */
function withNode(minPosition: ReadPosition | undefined, replica: ReadPosition | undefined): ReadPosition | undefined {
  if (replica === undefined || minPosition?.lsn === NEVER_REACHED) return minPosition
  if (minPosition === undefined || minPosition.cluster !== replica.cluster) return { ...replica, lsn: LOWEST }
  if (minPosition.node === replica.node) return minPosition
  return { ...minPosition, node: joinNodes(minPosition.node, replica.node) }
}

/** With a mark, only the node counts: a position here would change with every read, and its cookie with it. */
const LOWEST = 0n as ReadPosition['lsn']
