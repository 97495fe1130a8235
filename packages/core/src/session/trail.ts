import { joinNodes, type Position, SEEN_UNKNOWN, type Seen, seenAtPrimary } from './seen.ts'

/** Who can say how far the primary is: the pool that wrote there. */
export interface PositionSource {
  /**
   * Where the primary stands now, at or past every commit that was answered before the call (F2). `isCommitAsync`: a
   * commit may have been answered before it was flushed. Rejects when the primary cannot say.
   */
  whereIsPrimary(isCommitAsync: boolean): Promise<Position>
}

export interface TrailOptions {
  /** What the client had seen before; `undefined` when it says nothing. */
  readonly floor?: Seen | undefined
  /** Whether what reads see here counts for the client's next request too (F5). Default: with a floor. */
  readonly isTracked?: boolean | undefined
  /**
   * Whether the client is next door to other replicas than this scope: its request was replayed here. Then tracked reads run
   * at the primary, so that its token says how far, and not on which server; else each later read would come here again.
   * Default `false`.
   */
  readonly isVisiting?: boolean | undefined
  /** Whether somebody will ask for `settle()`: then a COMMIT may bring the position along. Default `false`. */
  readonly isWanted?: boolean | undefined
}

/** What one scope has seen and written, and so what its client must see from then on. */
export class Trail {
  readonly floor: Seen | undefined
  readonly isTracked: boolean
  readonly isVisiting: boolean
  readonly isWanted: boolean
  /** Whether a commit here may be answered before it is flushed. */
  isCommitAsync = false
  /** Whether a write was sent (R4). */
  hasWritten = false
  /** The replica that was read from: its mark, its history. */
  #readOn: Seen | undefined
  #primaryReads = 0
  #writes = 0
  #underway = 0
  /** Counts what the primary did for this scope, so that a position can be told to be behind all of it. */
  #done = 0
  #known: { readonly position: Position; readonly done: number } | undefined
  #sources: Set<PositionSource> | undefined

  constructor(options: TrailOptions = {}) {
    this.floor = options.floor
    this.isTracked = options.isTracked ?? options.floor !== undefined
    this.isVisiting = options.isVisiting ?? false
    this.isWanted = options.isWanted ?? false
  }

  /** What the next read here must not be older than: the floor, and where this scope has read already (F5). */
  get seen(): Seen | undefined {
    if (!this.isTracked) return this.floor
    if (this.#primaryReads > 0 || this.isVisiting) return SEEN_UNKNOWN
    return withNode(this.floor, this.#readOn)
  }

  /** Whether this scope itself has seen or written something that counts. */
  get hasSeenMore(): boolean {
    return this.hasWritten || this.#primaryReads > 0 || this.#readOn !== undefined
  }

  /** Before a write is sent. It is underway until `writeEnded()`: committed, rolled back, or lost. */
  writeSent(source: PositionSource): void {
    this.hasWritten = true
    this.#writes += 1
    this.#underway += 1
    this.#from(source)
  }

  /** Once for each `writeSent()`, when its transaction has ended. */
  writeEnded(): void {
    this.#underway -= 1
    this.#done += 1
  }

  /** In place of `writeEnded()`, when no connection could be had: then there is nothing to see. */
  writeNotSent(): void {
    this.#underway -= 1
    this.#writes -= 1
    if (this.#writes === 0) this.hasWritten = false
  }

  /** Before a read is sent to the primary. Says whether it counts. */
  readAtPrimary(source: PositionSource): boolean {
    if (!this.isTracked && !this.hasWritten) return false
    this.#primaryReads += 1
    this.#done += 1
    this.#from(source)
    return true
  }

  /** Takes back a `readAtPrimary()` that counted, when no connection could be had. */
  readNotSent(): void {
    this.#primaryReads -= 1
  }

  /** Before a read is sent to a replica. */
  readAtReplica(replica: Seen): void {
    if (!this.isTracked) return
    // Behind a write it may see more than what the primary said then.
    if (this.hasWritten) this.#done += 1
    const before = this.#readOn
    if (before === undefined || before.node === replica.node) this.#readOn = replica
    else this.#readOn = { ...replica, node: joinNodes(before.node, replica.node) }
  }

  /** What the primary said of itself right behind a commit. */
  committedAt(position: Position): void {
    if (this.#underway === 0) this.#known = { position, done: this.#done }
  }

  /**
   * What the client has seen by now, for its token; `undefined` when it needs none. Asks the primary where it stands,
   * once, when this scope wrote there or a tracked one read there (F2). What is still underway, and a primary that does
   * not answer, make it `SEEN_UNKNOWN`: reads stay at the primary until the token expires. Never rejects.
   */
  async settle(): Promise<Seen | undefined> {
    if (this.mustAsk) await this.#ask()
    return this.settleNow()
  }

  /** The same without asking: `SEEN_UNKNOWN` where the primary would have to be asked. */
  settleNow(): Seen | undefined {
    if (this.#underway > 0) return SEEN_UNKNOWN
    if (!this.hasWritten && this.#primaryReads === 0) return withNode(this.floor, this.#readOn)
    const position =
      this.#onlySource === undefined || this.#known?.done !== this.#done ? undefined : this.#known.position
    return position === undefined ? SEEN_UNKNOWN : seenAtPrimary(this.floor, position)
  }

  /** Whether `settle()` has to ask the primary, which takes a round trip. */
  get mustAsk(): boolean {
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
      // What was sent meanwhile may lie behind it.
      if (position !== undefined && this.#underway === 0 && this.#done === done) this.#known = { position, done }
    } catch {
      // Not known, then.
    }
  }

  #from(source: PositionSource): void {
    this.#sources ??= new Set()
    this.#sources.add(source)
  }
}

/** The same client, that has read from this replica last: a replica is only read from when it has all of the floor. */
function withNode(floor: Seen | undefined, replica: Seen | undefined): Seen | undefined {
  if (replica === undefined) return floor
  if (floor === undefined || floor.cluster !== replica.cluster) return { ...replica, lsn: LOWEST }
  if (floor.node === replica.node) return floor
  return { ...floor, node: joinNodes(floor.node, replica.node) }
}

/** The node alone tells: a figure here would change with every read, and its cookie with it. */
const LOWEST = 0n as Seen['lsn']
