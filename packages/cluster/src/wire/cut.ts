import { ClusterError } from '../errors/cluster-error.ts'

/** A direction of a wire: what the client sends, or what the server sends. */
export type Way = 'to-server' | 'to-client'

/** How a connection is cut: by a reset (RST), by a regular end (FIN), or by silence, in which it stays open. */
export type CutEnding = 'reset' | 'end' | 'silence'

interface CutBase {
  /** @default 'reset' */
  readonly how?: CutEnding
  /**
   * How many connections are cut before the cut is over.
   * @default Infinity
   */
  readonly times?: number
}

/** Cuts a connection at a text that the client sends, such as COMMIT. */
export interface CutAtText extends CutBase {
  /** What the client sends. Bytes count as Latin-1. A text that two packets share is found when each has some of its last 64 bytes. */
  readonly at: RegExp
  /** `before`: the text does not reach the server. `behind`: the server gets it, and its answer is lost. */
  readonly side: 'before' | 'behind'
}

/** Cuts a connection after a number of bytes. */
export interface CutAfterBytes extends CutBase {
  /** How many more bytes a connection carries; one that is made later, from its start. */
  readonly afterBytes: number
  /** @default 'to-client' */
  readonly way?: Way
}

/** Where and how a wire cuts its connections. */
export type Cut = CutAtText | CutAfterBytes

const ENDINGS: Readonly<Record<CutEnding, true>> = { reset: true, end: true, silence: true }

/** How many bytes of the last packet are looked at again: more than any statement that is worth a cut. */
const TAIL = 64

/** A cut that is in force: how often it may still happen, and how often it did. */
export class ActiveCut {
  readonly cut: Cut
  readonly how: CutEnding
  #left: number

  /** @throws ClusterError CLUSTER_OPTIONS_INVALID */
  constructor(cut: Cut) {
    const { how = 'reset', times = Number.POSITIVE_INFINITY } = cut
    if (!Object.hasOwn(ENDINGS, how)) throw invalid(`how is ${how}`, Object.keys(ENDINGS).join(', '))
    if (!(times >= 1)) throw invalid(`times is ${times}`, 'a number of 1 or more')
    if ('afterBytes' in cut && !(Number.isInteger(cut.afterBytes) && cut.afterBytes >= 0)) {
      throw invalid(`afterBytes is ${cut.afterBytes}`, 'a whole number of bytes, 0 or more')
    }
    // A sticky or global pattern remembers where it was: that would skip every other text.
    this.cut = 'at' in cut ? { ...cut, at: new RegExp(cut.at.source, cut.at.flags.replace(/[gy]/g, '')) } : cut
    this.how = how
    this.#left = times
  }

  /** Whether it may happen once more; counts it when it may. */
  take(): boolean {
    if (this.#left < 1) return false
    this.#left -= 1
    return true
  }
}

/** What one connection has carried, as far as a cut asks. */
export class CutCounter {
  readonly #active: ActiveCut
  #tail = ''
  #bytes = 0

  constructor(active: ActiveCut) {
    this.#active = active
  }

  get active(): ActiveCut {
    return this.#active
  }

  /** How many bytes of a packet may pass before the cut; `undefined` when there is no cut in it. */
  passing(way: Way, chunk: Buffer): number | undefined {
    const { cut } = this.#active
    if ('afterBytes' in cut) {
      if (way !== (cut.way ?? 'to-client')) return undefined
      const left = cut.afterBytes - this.#bytes
      this.#bytes += chunk.length
      return chunk.length >= left && this.#active.take() ? left : undefined
    }
    if (way !== 'to-server') return undefined
    const before = this.#tail
    const text = before + chunk.toString('latin1')
    this.#tail = text.slice(-TAIL)
    const isThere = cut.at.test(text) && !cut.at.test(before)
    if (!isThere || !this.#active.take()) return undefined
    return cut.side === 'before' ? 0 : chunk.length
  }
}

function invalid(what: string, expected: string): ClusterError {
  return new ClusterError('CLUSTER_OPTIONS_INVALID', `cut(): ${what}, expected ${expected}.`)
}
