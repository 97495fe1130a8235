/** What a server answered when it was asked for the fingerprint of its catalog, in ms of this process's monotonic clock. */
interface Answer {
  readonly fingerprint: string
  readonly askedAt: number
}

/**
 * How a server's catalog stands to the one that is known: the same when it was asked lately; the same, and due to be asked again;
 * not asked, or too long ago; another one.
 */
export type CatalogStanding = 'same' | 'due' | 'unasked' | 'other'

/** The part of the greatest age after which a server is asked again, while what it has answered still counts. */
const DUE_AFTER = 0.4
/** How long a server with another catalog is not asked again, in ms. */
const OTHER_MILLIS = 500
/** How long a catalog that no server has is kept: doubled each time that reading again did not help. */
const FIRST_PATIENCE_MILLIS = 1000
const MOST_PATIENCE_MILLIS = 60_000

/**
 * How long ago each server was known to have the very catalog that the verdicts come from. Pure: the caller brings the time.
 *
 * A verdict is about the functions of one state of the catalog, and a statement runs those of its own server. So the servers that
 * statements run on are asked, not the primary: a replica may have a change later than the primary or, when the catalog was read
 * from another replica, earlier than the catalog. Either way its fingerprint differs, and it is not read until it agrees.
 */
export class CatalogAge {
  readonly #maxAgeMillis: number
  readonly #answers = new WeakMap<object, Answer>()
  #known: string | undefined
  #generation = 0
  #agreedAt = Number.NEGATIVE_INFINITY
  #patience = FIRST_PATIENCE_MILLIS

  constructor(maxAgeMillis: number) {
    this.#maxAgeMillis = maxAgeMillis
  }

  /** The number of the catalog that is known, 0 for none: it grows with each that differs from the one before. */
  get generation(): number {
    return this.#generation
  }

  standingOf(server: object, now: number): CatalogStanding {
    if (this.#known === undefined || this.#maxAgeMillis === Number.POSITIVE_INFINITY) return 'same'
    const answer = this.#answers.get(server)
    if (answer === undefined) return 'unasked'
    const age = now - answer.askedAt
    if (answer.fingerprint !== this.#known) return age < OTHER_MILLIS ? 'other' : 'unasked'
    if (age < this.#maxAgeMillis * DUE_AFTER) return 'same'
    return age < this.#maxAgeMillis ? 'due' : 'unasked'
  }

  /** Notes the catalog that was read from a server. */
  loaded(server: object, fingerprint: string, askedAt: number): void {
    if (fingerprint !== this.#known) this.#generation += 1
    this.#known = fingerprint
    this.#agreedAt = askedAt
    const before = this.#answers.get(server)
    if (before === undefined || before.askedAt < askedAt) this.#answers.set(server, { fingerprint, askedAt })
  }

  /**
   * Notes what a server answered, and returns whether its catalog should be read: it has changed there, or for a while no server had the
   * one that is known. A server that stands still while another has the known one is merely behind.
   */
  heard(server: object, fingerprint: string, askedAt: number): boolean {
    const before = this.#answers.get(server)
    if (before !== undefined && askedAt < before.askedAt) return false
    this.#answers.set(server, { fingerprint, askedAt })
    if (fingerprint === this.#known) {
      this.#agreedAt = askedAt
      this.#patience = FIRST_PATIENCE_MILLIS
      return false
    }
    if (before !== undefined && before.fingerprint !== fingerprint) return true
    if (askedAt - this.#agreedAt < this.#patience) return false
    this.#agreedAt = askedAt
    this.#patience = Math.min(this.#patience * 2, MOST_PATIENCE_MILLIS)
    return true
  }
}
