import { isDeepStrictEqual } from 'node:util'
import pg, { type QueryConfig } from 'pg'
import type { Settle } from './query-call.ts'

/** What pg reads from a query's configuration; its types do not declare the last ones. */
export interface AppConfig extends QueryConfig {
  readonly rowMode?: unknown
  readonly queryMode?: unknown
  readonly query_timeout?: unknown
  readonly binary?: unknown
  readonly portal?: unknown
  readonly rows?: unknown
}

type Field = Exclude<keyof AppConfig, 'text' | 'values'>

/** pg's own query as it is: its types show none of its fields. */
const PgQuery = pg.Query as unknown as new (text: unknown, values: unknown, callback: Settle) => Record<Field, unknown>
const Result = Object(Reflect.get(new PgQuery('', undefined, () => undefined), '_result')).constructor

/**
 * The query that pg would make of an app's configuration. pg 8.23.1 copies every configuration by its descriptors first, which
 * takes longer than all that is done here to route it.
 */
class SentQuery extends PgQuery {
  constructor(config: AppConfig, text: unknown, values: unknown, callback: Settle) {
    super(text, values, callback)
    const { rowMode, types } = config
    this.name = config.name
    this.types = types
    this.rows = config.rows
    this.binary = config.binary
    this.queryMode = config.queryMode
    this.query_timeout = config.query_timeout
    if (config.portal) this.portal = config.portal
    if (rowMode === undefined && types === undefined) return
    Reflect.set(this, '_rowMode', rowMode)
    const result: unknown = Reflect.construct(Result, [rowMode, types])
    Reflect.set(this, '_result', result)
    Reflect.set(this, '_results', result)
  }
}

/** Whether this pg's queries have the fields that are known here, and no others. */
const IS_KNOWN: boolean = isLikeThose(pg.types)

function isLikeThose(types: object): boolean {
  const settle: Settle = () => undefined
  const config = { text: 'a', name: 'b', values: [1], rowMode: 'array', types, queryMode: 'extended', binary: true }
  const all = { ...config, portal: 'c', rows: 1 } as unknown as AppConfig
  const theirs: object = new PgQuery(all, undefined, settle)
  const ours = new SentQuery(all, all.text, all.values, settle)
  return Object.entries(theirs).every(([name, value]) => isDeepStrictEqual(value, Reflect.get(ours, name)))
}

/**
 * What `client` is to be sent for the app's configuration, which stays as it is (pg writes into what it is given); `text` in
 * the place of its text. `undefined`: it has to be sent in pg's own form.
 */
export function sentQueryOf(
  client: object,
  config: AppConfig,
  values: unknown,
  answered: Settle,
  text: string = config.text,
): object | undefined {
  // A pipeline takes no queries but those of its own copy of pg.
  if (!IS_KNOWN || Reflect.get(client, 'pipeline') === true) return undefined
  return new SentQuery(config, text, values ?? config.values, answered)
}

/** The same for pg's own form: a copy of all that pg reads. */
export function copyOf(config: AppConfig, text: string = config.text): object {
  const { name, values, rowMode, types, queryMode, query_timeout, binary, portal, rows } = config
  return { text, name, values, rowMode, types, queryMode, query_timeout, binary, portal, rows }
}
