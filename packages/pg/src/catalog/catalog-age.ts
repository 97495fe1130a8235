import type { Lsn } from '@headwater/core/internal'

/** A state of the catalog, and a position in the log of the server that has it. */
export interface CatalogState {
  /** The same for as long as nothing changes that a verdict may hang on. */
  readonly fingerprint: string
  readonly lsn: Lsn
}

/** What a server answered, and when it was asked, in ms of this process's monotonic clock. */
interface Answer extends CatalogState {
  readonly askedAt: number
}

/**
 * How a server's catalog stands to the one that is known: not ahead of it when it was asked lately; the same, and due to be asked
 * again; not asked, or too long ago; ahead of it.
 */
export type CatalogStanding = 'known' | 'due' | 'unasked' | 'ahead'

/** The part of the greatest age after which a server is asked again, while what it has answered still counts. */
const DUE_AFTER = 0.4
/** How long a server whose catalog is ahead is not asked again, in ms. */
const AHEAD_MILLIS = 500

/**
 * How long ago each server was known to have no catalog that is newer than the one which verdicts come from. Pure: the caller
 * brings the time.
 *
 * A statement runs the functions of its own server, so the servers that are read are asked, not the primary, which may be out of
 * reach and has a change earlier. One that is behind is read: whoever calls a function after it was replaced is owed the
 * new one, and a verdict on that one loses no write that the primary would have made. One that is ahead is not read: its functions may write
 * what the known ones only read. Of two different catalogs the one at the later position is newer. After a failover that holds from
 * the moment on when the new primary's log is longer than what was seen of the old one's.
 */
export class CatalogAge {
  readonly #maxAgeMillis: number
  readonly #answers = new WeakMap<object, Answer>()
  #known: CatalogState | undefined
  #generation = 0

  constructor(maxAgeMillis: number) {
    this.#maxAgeMillis = maxAgeMillis
  }

  /** The number of the catalog that is known, 0 for none: it grows with each that differs from the one before. */
  get generation(): number {
    return this.#generation
  }

  standingOf(server: object, now: number): CatalogStanding {
    if (this.#known === undefined || this.#maxAgeMillis === Number.POSITIVE_INFINITY) return 'known'
    const answer = this.#answers.get(server)
    if (answer === undefined) return 'unasked'
    const age = now - answer.askedAt
    if (this.#isAhead(answer)) return age < AHEAD_MILLIS ? 'ahead' : 'unasked'
    if (age < this.#maxAgeMillis * DUE_AFTER) return 'known'
    return age < this.#maxAgeMillis ? 'due' : 'unasked'
  }

  /**
   * Notes the catalog that was read from a server, which was asked for its state right before. Where it could not tell, none is
   * asked.
   */
  loaded(server: object, state: CatalogState | undefined, askedAt: number): void {
    if (state === undefined || state.fingerprint !== this.#known?.fingerprint) this.#generation += 1
    this.#known = state
    if (state !== undefined) this.#note(server, { ...state, askedAt })
  }

  /** Notes what a server answered, and returns whether its catalog is newer than the known one. */
  heard(server: object, state: CatalogState, askedAt: number): boolean {
    this.#note(server, { ...state, askedAt })
    return this.#isAhead(state)
  }

  #note(server: object, answer: Answer): void {
    if ((this.#answers.get(server)?.askedAt ?? Number.NEGATIVE_INFINITY) <= answer.askedAt)
      this.#answers.set(server, answer)
  }

  #isAhead({ fingerprint, lsn }: CatalogState): boolean {
    return this.#known !== undefined && fingerprint !== this.#known.fingerprint && lsn >= this.#known.lsn
  }
}
