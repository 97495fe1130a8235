import {
  classify,
  createClassifier,
  createKnowledge,
  databaseErrorIn,
  LearnedWriters,
  type Statement,
} from '@headwater/core/internal'
import { CatalogCache } from '../catalog/cache.ts'
import { beginsLikeSchemaChange, mayChangeSchema } from '../catalog/schema-change.ts'
import { openOwnConnection } from '../driver/own-connection.ts'
import type { Fleet } from '../fleet/fleet.ts'
import type { ResolvedCatalog } from '../options/catalog-options.ts'
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
        open: (signal, isPrimaryOnly) =>
          openOwnConnection(isPrimaryOnly ? [fleet.primary.pool] : fleet.nearest, signal),
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

  /** Whether this pool has changed the schema since the catalog was read; then it is read again at the next chance. */
  get isCatalogOutdated(): boolean {
    if (this.#catalog?.isOutdated !== true) return false
    this.#catalog.touch()
    return true
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

  /** The verdict on what its builder knows as a write: none is stricter, so no more than the beginning of the text is read. */
  ofWrite(text: string | undefined): Statement {
    this.#touchCatalog()
    return text !== undefined && beginsLikeSchemaChange(text) ? KNOWN_SCHEMA_CHANGE : KNOWN_WRITE
  }

  /** Notes a statement that names what the catalog does not hold. */
  miss({ token }: Statement): void {
    this.#catalog?.miss(token)
  }

  /** Before a statement is sent to the primary: what it changes in the schema, the catalog does not know yet. */
  noteSchemaChange(query: RoutedQuery): void {
    if (this.#catalog !== undefined && mayChangeSchema(query.statement, query.call.text)) {
      query.schemaChangeSent(this.#catalog)
    }
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

const KNOWN_SCHEMA_CHANGE: Statement = Object.freeze({ ...KNOWN_WRITE, because: 'schema-change' })
