import type { Scope } from '@headwater/core'
import {
  type Frame,
  isDirect,
  NEVER_REACHED,
  type ReadPosition,
  type Situation,
  UNKNOWN_POSITION,
} from '@headwater/core/internal'
import type { Fleet } from '../fleet/fleet.ts'
import { readServerSample } from '../fleet/server-sample.ts'
import type { Connection } from '../node/pool-node.ts'
import type { ResolvedFreshness } from '../options/freshness-options.ts'
import type { ResolvedOptions } from '../options/options.ts'
import { CatalogCheck, type KnownCatalog } from './catalog-check.ts'
import { JobWrites } from './job-writes.ts'
import { LateReads } from './late-reads.ts'
import { OwnWrites } from './own-writes.ts'
import type { ConnectedToReplica, NoReplica, ReadInSearch } from './read-in-search.ts'
import { type ReadRequirement, requirementFor, type StaleReason, whyStale } from './read-requirement.ts'
import { ReplicaChooser } from './replica-chooser.ts'
import { type Reach, ReplicaOrder } from './replica-order.ts'
import { dependsOnCatalog, mayRunOn, ReplicaSearch, type SearchGround } from './replica-search.ts'
import { StaleReadDetector } from './stale-read-detector.ts'

/** Finds a replica that a read may run on, and a connection to it. */
export class Reads {
  readonly #options: ResolvedFreshness
  readonly #ground: SearchGround
  readonly #fleet: Fleet
  readonly #chooser: ReplicaChooser
  /** What was written outside any scope (R9). */
  readonly ownWrites: OwnWrites
  /** What was written in scopes that are no requests (R4). */
  readonly jobs: JobWrites

  /** `catalog` is the one that verdicts come from; none when it is never read. */
  constructor(fleet: Fleet, { freshness: options, reads, logger }: ResolvedOptions, catalog: KnownCatalog | undefined) {
    const chooser = new ReplicaChooser(fleet, options)
    this.#options = options
    this.#fleet = fleet
    this.ownWrites = new OwnWrites(fleet, chooser.watch)
    this.jobs = new JobWrites(fleet, chooser.watch)
    this.#chooser = chooser
    this.#ground = {
      chooser,
      order: new ReplicaOrder(fleet, reads.choice),
      late: new LateReads(fleet, options, reads, logger),
      detector: options.warnOnStaleReads ? new StaleReadDetector(logger) : undefined,
      catalog: catalog === undefined ? undefined : new CatalogCheck(catalog),
      mayServeStale: options.onPrimaryUnreachable === 'serve-stale',
    }
  }

  /** Whether every replica of the app is known to have replayed all that was seen. */
  hasEveryReplica(seen: ReadPosition): boolean {
    return this.#ground.chooser.hasEveryReplica(seen)
  }

  /**
   * Waits until a local replica has all that was seen and written in `frame`'s scope, or outside any. `false` when none has in time, or
   * no position is known that it would have to reach.
   */
  async caughtUp(frame: Frame | undefined, timeoutMillis: number): Promise<boolean> {
    const seen = await this.#seenIn(frame?.scope)
    if (seen === undefined || this.#fleet.local.length === 0) return true
    if (seen.lsn === NEVER_REACHED) return false
    return this.#chooser.waitFor(this.#fleet.local, { seen, isTracked: false, maxLag: undefined }, timeoutMillis)
  }

  async #seenIn(scope: Scope | undefined): Promise<ReadPosition | undefined> {
    if (scope === undefined) return this.ownWrites.placeNow()
    const { session } = scope
    if (scope.kind === 'request') return session.capturePosition()
    await session.place()
    return session.isUnplaced ? UNKNOWN_POSITION : session.seen
  }

  /** Notes a write that goes to the primary, for the warning about reads that may miss it. */
  noteWrite({ call, frame }: ReadInSearch): void {
    if (frame?.scope === undefined) return
    this.#ground.detector?.noteWrite(call.text, frame.scope.session, performance.now())
  }

  /** Call for a statement that needs the primary for what the catalog says: that may have changed. */
  lookAtCatalog(): void {
    this.#ground.catalog?.look(this.#fleet.local)
  }

  /**
   * Takes a connection to a replica that is fresh enough for `query`, trying each once (F1, F5, F6): one next door, or one of another
   * region (X10). Calls back with neither an error nor a connection when there is none.
   */
  connect(
    query: ReadInSearch,
    situation: Situation,
    reach: Reach,
    connected: ConnectedToReplica,
    whyNotTheLast?: NoReplica,
  ): void {
    const requirement = this.#requirementOf(query, situation, reach)
    new ReplicaSearch(this.#ground, query, situation, requirement, reach, connected).goOn(whyNotTheLast)
  }

  /** Whether a connection that is already held leads to a replica that may answer `query`. */
  isFit(connection: Connection, query: ReadInSearch, situation: Situation): boolean {
    if (!mayRunOn(connection, query, situation)) return false
    const { catalog } = this.#ground
    if (catalog !== undefined && dependsOnCatalog(query, situation) && !catalog.mayBeSent(connection, query.judgedBy))
      return false
    const requirement = this.#requirementOf(
      query,
      situation,
      this.#fleet.isLocal(connection.node) ? 'next-door' : 'far',
    )
    if (requirement === undefined) return true
    const { watch } = this.#ground.chooser
    const state = watch.stateOf(connection.node, connection.client)
    if (state === undefined && !isDirect(connection.node.traits)) return query.proves(connection, requirement)
    if (!connection.node.traits.isOneServer || whyStale(state, requirement, watch) !== undefined) return false
    if (state !== undefined) query.frame?.scope?.session.readAtReplica(state)
    return true
  }

  /**
   * Why the server that answered a read is not fresh enough, by what it said of itself in the same transaction; `undefined` when it is,
   * and then the scope's client has seen that much.
   */
  whyStaleBy(
    query: { readonly frame: Frame | undefined; readonly requirement: ReadRequirement | undefined },
    { node, client }: Connection,
    answer: readonly (string | null)[] | undefined,
    sentAt: number,
  ): StaleReason | undefined {
    if (query.requirement === undefined) return undefined
    const { watch } = this.#ground.chooser
    const state = readServerSample(answer ?? [], sentAt)
    if (state === undefined) return 'behind'
    watch.note(node, client, state)
    const why = whyStale(state, query.requirement, watch)
    if (why === undefined) query.frame?.scope?.session.readAtReplica(state)
    return why
  }

  #requirementOf({ frame }: ReadInSearch, { consistency }: Situation, reach: Reach): ReadRequirement | undefined {
    return requirementFor(frame, consistency, this.#options.maxLag, this.ownWrites, reach === 'far')
  }
}
