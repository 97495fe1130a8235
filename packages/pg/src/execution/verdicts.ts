import type { Logger } from '@headwater/core'
import {
  classify,
  createClassifier,
  createKnowledge,
  databaseErrorIn,
  isOutOfService,
  LearnedWriters,
  type Statement,
  warn,
} from '@headwater/core/internal'
import { CatalogCache } from '../catalog/cache.ts'
import { beginsLikeSchemaChange } from '../catalog/schema-change.ts'
import { openOwnConnection } from '../driver/own-connection.ts'
import { errorInWords } from '../fleet/error-in-words.ts'
import type { Fleet } from '../fleet/fleet.ts'
import type { ResolvedCatalog } from '../options/catalog-options.ts'
import type { RoutedQuery } from './routed-query.ts'

/** Says what each statement needs, by its text, the database's catalog, and what standbys have refused. */
export class Verdicts {
  readonly #classifier = createClassifier()
  readonly #learned = new LearnedWriters({ now: () => performance.now() })
  /** The catalog of the database; `undefined` when it is never read. */
  readonly catalog: CatalogCache | undefined
  #statements = 0

  constructor(
    { isLoaded, functions, refreshAfterMillis, maxAgeMillis }: ResolvedCatalog,
    fleet: Fleet,
    logger: Logger | false | undefined,
  ) {
    if (isLoaded) {
      this.catalog = new CatalogCache({
        functions,
        refreshAfterMillis,
        maxAgeMillis,
        open: (signal, isPrimaryOnly, changed) => {
          if (isPrimaryOnly) return openOwnConnection([fleet.primary.pool], signal)
          return openOwnConnection(changed === undefined ? fleet.nearest : [changed, ...fleet.nearest], signal)
        },
        // A process that starts reads before it knows the catalog.
        read: async (connection, overrides) => {
          const { readCatalog } = await import('../catalog/load.ts')
          return await readCatalog(connection, overrides)
        },
        onKnowledge: (knowledge) => this.#classifier.learn(knowledge),
        onFailure: (error) => {
          fleet.primary.learn({ kind: 'connection-error', error })
          warnOfCatalog(error, logger)
        },
      })
    } else if (Object.keys(functions).length > 0) {
      // Without a catalog, `functions` still holds.
      this.#classifier.learn(createKnowledge({ overrides: functions }))
    }
  }

  /** Whether the catalog is not loaded, or not yet. */
  get isCatalogMissing(): boolean {
    return this.catalog?.isLoaded !== true
  }

  /** Whether this pool has changed the schema since the catalog was read; then it is read again as soon as possible. */
  get isCatalogOutdated(): boolean {
    if (this.catalog?.isOutdated !== true) return false
    this.catalog.touch()
    return true
  }

  /** The number of the catalog that the next verdict comes from, 0 for none. */
  get generation(): number {
    return this.catalog?.generation ?? 0
  }

  async end(): Promise<void> {
    await this.catalog?.end()
  }

  /** The verdict on a text; a statement that a standby has refused before is known as a write (P2). */
  of(text: string | undefined): Statement {
    if (text === undefined) return UNSEEN
    this.#touchCatalog()
    const statement = this.#classifier.classify(text)
    if (statement.access === 'write' || !this.#learned.isKnown(text, statement)) return statement
    return { ...statement, access: 'write', reason: 'learned' }
  }

  /** The verdict for a statement that its builder marks as a write: nothing is stricter, so only the beginning of the text is read. */
  ofWrite(text: string | undefined): Statement {
    this.#touchCatalog()
    return text !== undefined && beginsLikeSchemaChange(text) ? KNOWN_SCHEMA_CHANGE : KNOWN_WRITE
  }

  /** Notes a statement that uses a name which is not in the catalog. */
  miss({ token }: Statement): void {
    this.catalog?.miss(token)
  }

  /** Call before a statement is sent to the primary: if it changes the schema, the catalog is outdated. */
  noteSchemaChange(query: RoutedQuery): void {
    if (this.catalog?.mayBeChangedBy(query.statement, query.call.text) === true) query.schemaChangeSent(this.catalog)
  }

  /** Remembers a statement that a standby refused, so that next time it is a known write. */
  learn({ call, statement }: RoutedQuery, error: unknown): void {
    if (statement.access === 'read' || statement.reason === 'unseen-function') this.catalog?.doubt()
    if (call.text !== undefined) this.#learned.learn(call.text, statement, databaseErrorIn(error)?.where)
  }

  /** Reading the clock for every statement would cost more than its verdict. */
  #touchCatalog(): void {
    if (this.#statements++ % 64 === 0) this.catalog?.touch()
  }
}

/** A server that cannot be reached has its own warning. */
function warnOfCatalog(error: unknown, logger: Logger | false | undefined): void {
  const { code } = databaseErrorIn(error) ?? {}
  if (code === undefined || isOutOfService(error) || /^28|^3D/.test(code)) return
  warn('HEADWATER_CATALOG_UNREADABLE', { problem: errorInWords(error, []).message }, { logger })
}

/** A Submittable that does not show its text may do anything. */
const UNSEEN: Statement = Object.freeze({ ...classify('select 1'), access: 'write', reason: 'unseen-function' })

const KNOWN_WRITE: Statement = Object.freeze({ ...classify('select 1'), access: 'write', reason: 'data-modification' })

const KNOWN_SCHEMA_CHANGE: Statement = Object.freeze({ ...KNOWN_WRITE, reason: 'schema-change' })
