import { runOutside } from '@headwater/core/internal'
import type pg from 'pg'
import { type OwnConnection, openOwnConnection } from '../driver/own-connection.ts'
import type { ServerStatements } from '../driver/prepare/server-statements.ts'
import type { TextRecord } from '../driver/prepare/text-record.ts'
import { type IndexFacts, indexesIn, indexKey, mostRowsRead, type PlanNode } from './plan-bound.ts'

/** Texts become hot in bunches: they are asked about together. In ms. */
const GATHER_MILLIS = 100
const AFTER_FAILURE_MILLIS = 10_000
/** So many rows by keys cost less than planning the statement. */
const FEW_ROWS = 100
/** EXPLAIN (GENERIC_PLAN) came with this version. */
const GENERIC_PLAN_SINCE = 160_000

const WHO = `select pg_catalog.pg_backend_pid()::text as pid, pg_catalog.current_setting('server_version_num') as version`

/**
 * Asks a server, on a connection of its own and in the background: whether its sessions keep what is prepared on them, and how it would
 * plan the texts that come back if it knew no values. No query of the app waits for it, and nothing is prepared before the answer.
 */
export class StatementInquiry {
  readonly #pool: () => pg.Pool
  readonly #statements: ServerStatements
  readonly #mayKeep: () => boolean
  readonly #ended = new AbortController()
  #timer: NodeJS.Timeout | undefined
  #underway: Promise<void> | undefined
  #notBefore = 0

  /** `mayKeep`: whether what is known of the address leaves it possible. */
  constructor(pool: () => pg.Pool, statements: ServerStatements, mayKeep: () => boolean) {
    this.#pool = pool
    this.#statements = statements
    this.#mayKeep = mayKeep
  }

  /** Asks soon. */
  schedule(): void {
    if (this.#timer !== undefined || this.#ended.signal.aborted) return
    const pause = Math.max(GATHER_MILLIS, this.#notBefore - performance.now())
    runOutside(() => {
      this.#timer = setTimeout(() => this.#start(), pause)
      this.#timer.unref()
    })
  }

  /** Ends the question that is under way. */
  async end(): Promise<void> {
    clearTimeout(this.#timer)
    this.#ended.abort(new Error('the pool has ended'))
    await this.#underway
  }

  #start(): void {
    this.#underway = this.#ask()
      .catch(() => {
        this.#notBefore = performance.now() + AFTER_FAILURE_MILLIS
      })
      .finally(() => {
        this.#timer = undefined
        this.#underway = undefined
        if (this.#statements.wantsAnswer) this.schedule()
      })
  }

  async #ask(): Promise<void> {
    const statements = this.#statements
    const texts = statements.takeWanted(performance.now())
    if (!this.#mayKeep()) {
      statements.keepsStatements = false
      return
    }
    const connection = await openOwnConnection([this.#pool()], this.#ended.signal)
    try {
      const { rows } = await connection.query(WHO)
      const [who] = rows as readonly { readonly pid: string; readonly version: string }[]
      statements.keepsStatements = this.#mayKeep() && connection.isOwnProcess(Number(who?.pid))
      if (!statements.keepsStatements || statements.options.plans === 'server') return
      if (Number(who?.version) < GENERIC_PLAN_SINCE) return
      const { generation } = statements
      for (const record of texts) {
        if (record.parameters === 0) continue
        const isGeneric = await readsFewRows(connection, record)
        if (generation === statements.generation) record.plan = isGeneric ? 'generic' : 'custom'
      }
    } finally {
      await connection.end()
    }
  }
}

/** Whether a plan that knows no values reads a few rows by keys, whatever they are. */
async function readsFewRows(connection: OwnConnection, { text }: TextRecord): Promise<boolean> {
  const plan = await explain(connection, text)
  if (plan === undefined) return false
  const indexes = await factsOf(connection, indexesIn(plan))
  return mostRowsRead(plan, indexes) <= FEW_ROWS
}

async function explain(connection: OwnConnection, text: string): Promise<PlanNode | undefined> {
  try {
    const { rows } = await connection.query(`explain (generic_plan, verbose, format json) ${text}`)
    const [row] = rows
    const [answer]: readonly unknown[] = Object.values(Object(row))
    const [explained] = (typeof answer === 'string' ? JSON.parse(answer) : answer) as readonly { Plan?: PlanNode }[]
    return explained?.Plan
  } catch (error) {
    // What cannot be explained (a temporary table, a search_path of the app's own sessions) is planned for its values.
    if (Reflect.has(Object(error), 'severity')) return undefined
    throw error
  }
}

const FACTS = `select pg_catalog.json_build_array(n.nspname, i.relname,
  x.indisunique and x.indimmediate and x.indpred is null and x.indexprs is null,
  array(select a.attname::text from pg_catalog.unnest(x.indkey::pg_catalog.int2[]) with ordinality k (number, place)
    left join pg_catalog.pg_attribute a on a.attrelid = x.indrelid and a.attnum = k.number
    where k.place <= x.indnkeyatts order by k.place),
  (select pg_catalog.max(greatest(coalesce(s.most_common_freqs[1], 0) * t.reltuples,
      2 * case when s.n_distinct > 0 then t.reltuples / s.n_distinct when s.n_distinct < 0 then -1 / s.n_distinct end))
    from pg_catalog.pg_stats s join pg_catalog.pg_attribute a on a.attrelid = x.indrelid and a.attnum = x.indkey[0]
    where s.schemaname = n.nspname and s.tablename = t.relname and s.attname = a.attname))::text as fact
from pg_catalog.pg_index x
  join pg_catalog.pg_class i on i.oid = x.indexrelid
  join pg_catalog.pg_class t on t.oid = x.indrelid
  join pg_catalog.pg_namespace n on n.oid = i.relnamespace
where x.indisvalid and pg_catalog.json_build_array(n.nspname, i.relname)::text = any (`

type Fact = [schema: string, name: string, isUnique: boolean, columns: (string | null)[], mostRows: number | null]

async function factsOf(connection: OwnConnection, keys: readonly string[]): Promise<ReadonlyMap<string, IndexFacts>> {
  if (keys.length === 0) return new Map()
  // As Postgres prints an array of JSON: with a space behind each comma.
  const names = keys.map((key) => literal((JSON.parse(key) as string[]).map((part) => JSON.stringify(part)).join(', ')))
  const { rows } = await connection.query(`${FACTS} array[${names.join(', ')}])`)
  return new Map(
    (rows as readonly { readonly fact: string }[]).map((row) => {
      const [schema, name, isUnique, columns, mostRows] = JSON.parse(row.fact) as Fact
      return [indexKey(schema, name), { columns, isUnique, mostRows }]
    }),
  )
}

function literal(inside: string): string {
  return `'[${inside.replaceAll("'", "''")}]'`
}
