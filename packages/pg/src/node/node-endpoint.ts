import { type EndpointTraits, isDirect, withFound } from '@headwater/core/internal'
import type { TrackedClient } from '../driver/tracked-client.ts'
import type { ResolvedNode } from '../options/resolve-node.ts'
import { askWhetherOwn, openReadOnly, type ReadOnlyOpened } from './read-only-session.ts'

/** Who is told what was found. */
export interface EndpointWitness {
  /** Called when the traits have changed. */
  traitsChanged(): void
  /** Called when what the startup reported was a pooler's memory of some server. */
  startupDoubted(): void
}

/** What a server's address gives: what was configured, and what it proved to be. */
export class NodeEndpoint {
  readonly #witness: EndpointWitness
  /** Whether the app has said what stands in front of it. */
  readonly #isPoolingTold: boolean
  readonly #hasDirect: boolean
  readonly #processes = new WeakMap<object, number>()
  /** Whether it was said to keep sessions, and proved to share them. */
  isSharedAfterAll = false
  traits: EndpointTraits

  constructor({ traits, pooler }: ResolvedNode, witness: EndpointWitness) {
    this.traits = traits
    this.#isPoolingTold = pooler.pooling !== undefined
    this.#hasDirect = pooler.direct !== undefined
    this.#witness = witness
  }

  /** Notes what it proved to give. */
  find(found: Partial<EndpointTraits>): void {
    const before = this.traits
    this.traits = withFound(before, found)
    if (this.traits !== before) this.#witness.traitsChanged()
  }

  /** Whether a pooler was found that the options do not speak of. */
  get isPoolerUnsaid(): boolean {
    return !this.#isPoolingTold && !this.#hasDirect && !isDirect(this.traits)
  }

  /** Notes whether the process behind a connection was its own: a pooler answers with an id that is not the server's (B1). */
  findPooler(isOwn: boolean): void {
    if (this.#isPoolingTold || this.traits.pooling === (isOwn ? 'none' : 'transaction')) return
    this.find({ pooling: isOwn ? 'none' : 'transaction' })
    if (!isOwn) this.#witness.startupDoubted()
  }

  /**
   * Notes which process answers on an open connection. Whoever keeps sessions does not change it: where another one answers, the app's
   * word is not true any more, and the stricter kind counts (B1).
   */
  sawProcess(client: object, processId: number): void {
    if (this.traits.pooling !== 'session') return
    const before = this.#processes.get(client)
    this.#processes.set(client, processId)
    if (before === undefined || before === processId) return
    this.isSharedAfterAll = true
    this.find({ pooling: 'transaction' })
  }

  /** Calls back once it is known what stands in front of it; asks on `client` if need be. */
  whenPoolingIsKnown(client: TrackedClient, goOn: () => void): void {
    if (this.traits.pooling !== undefined) return goOn()
    askWhetherOwn(client, (isOwn) => {
      if (isOwn !== undefined) this.findPooler(isOwn)
      goOn()
    })
  }

  /** See `openReadOnly`; keeps what it finds. */
  openReadOnly(client: TrackedClient, opened: ReadOnlyOpened): void {
    openReadOnly(client, this.traits, this.#isPoolingTold, (error, session) => {
      if (session.isOwn !== undefined) this.findPooler(session.isOwn)
      opened(error, session)
    })
  }
}
