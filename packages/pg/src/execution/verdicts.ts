import {
  classify,
  createClassifier,
  createKnowledge,
  databaseErrorIn,
  LearnedWriters,
  type Statement,
} from '@headwater/core'
import { CatalogCache } from '../catalog/catalog-cache.ts'
import type { ResolvedCatalog } from '../catalog/catalog-options.ts'
import { openConnection } from '../catalog/open-connection.ts'
import type { Fleet } from '../fleet/fleet.ts'
import type { RoutedQuery } from './routed-query.ts'

/** What each statement needs, by all that is known: its text, the database's catalog, and what standbys have refused. */
export class Verdicts {
  readonly #classifier = createClassifier()
  readonly #learned = new LearnedWriters()
  readonly #catalog: CatalogCache | undefined
  #statements = 0

  constructor({ isLoaded, functions, refreshAfter }: ResolvedCatalog, fleet: Fleet) {
    if (isLoaded) {
      this.#catalog = new CatalogCache({
        functions,
        refreshAfter,
        open: (signal) => openConnection(fleet.nearest, signal),
        onKnowledge: (knowledge) => this.#classifier.learn(knowledge),
        onFailure: (error) => fleet.primary.publish('connection-error', error),
      })
    } else if (Object.keys(functions).length > 0) {
      // Without a catalog, the app's own word still holds.
      this.#classifier.learn(createKnowledge({ overrides: functions }))
    }
  }

  /** Whether nobody has read what the database's functions do, or not yet. */
  get isCatalogMissing(): boolean {
    return this.#catalog?.isLoaded !== true
  }

  async end(): Promise<void> {
    await this.#catalog?.end()
  }

  /** The verdict on a text; a statement that a standby has refused before is known as a write (P2). */
  of(text: string | undefined): Statement {
    if (text === undefined) return UNSEEN
    this.#touchCatalog()
    const statement = this.#classifier.classify(text)
    if (statement.access === 'write' || !this.#learned.isKnown(text, statement)) return statement
    return { ...statement, access: 'write', because: 'learned' }
  }

  /** The verdict on what its builder knows as a write: none is stricter, so the text is not read. */
  ofWrite(): Statement {
    this.#touchCatalog()
    return KNOWN_WRITE
  }

  /** Remembers what a standby refused, so that next time it is a known write. */
  learn({ call, statement }: RoutedQuery, error: unknown): void {
    if (statement.access === 'read' || statement.because === 'unseen-function') this.#catalog?.doubt()
    if (call.text !== undefined) this.#learned.learn(call.text, statement, databaseErrorIn(error)?.where)
  }

  /** Reading the clock for every statement would cost more than its verdict. */
  #touchCatalog(): void {
    if (this.#statements++ % 64 === 0) this.#catalog?.touch()
  }
}

/** A Submittable that does not show its text: nobody can say what it does. */
const UNSEEN: Statement = Object.freeze({ ...classify('select 1'), access: 'write', because: 'unseen-function' })

const KNOWN_WRITE: Statement = Object.freeze({ ...classify('select 1'), access: 'write', because: 'data-modification' })
