import type { Cluster } from '@headwater/cluster'
import { classify, type Knowledge, type Statement } from '@headwater/core/internal'
import { CorpusUnavailable, type Script, type Suite, type Text } from './corpus.ts'
import { type Facts, isTriedOnStandby, type Judgement, judge } from './judgement.ts'
import { type Label, labelOf } from './labels.ts'
import { type Outcome, Session } from './session.ts'
import { type Position, Witness } from './witness.ts'

/** One text with everything that was found out about it. */
export interface Verdict extends Judgement {
  readonly script: string
  readonly sql: string
  readonly statement: Statement
  readonly standby: Outcome
  readonly primary: Outcome
  readonly label: Label
  readonly facts: Facts
}

export interface RunOptions {
  readonly cluster: Cluster
  readonly signal: AbortSignal
  /** Reads what is known of the database at `url`; asked again behind each change of the schema. Default: nothing is known. */
  readonly learn?: (url: string) => Promise<Knowledge>
  /** Stops after this many texts. */
  readonly limit: number
}

/** These would end the standby as a standby, or the run itself. */
const UNTOUCHABLE =
  /\bpg_promote\s*\(|pg_terminate_backend\s*\(\s*(?!-1)|alter\s+system\s+set\s+(primary|recovery|hot_standby)/i

const DML = /^((Insert|Update|Delete|Merge)Stmt|row lock|COPY FROM)$/

/** A sample of half a table is the same twice now and then. */
const REPEATS = 16

/** A text that fails outside of a transaction block is asked once more inside one. */
const NEEDS_TRANSACTION = '25P01'

/** The kinds of some relations and of all that inherit from them: a child may be temporary. */
const KINDS = `
  with recursive family (oid) as (
    select pg_catalog.to_regclass(name)::oid from pg_catalog.unnest(array[NAMES]) as name
    union select inhrelid from pg_catalog.pg_inherits join family on inhparent operator(pg_catalog.=) oid)
  select distinct relkind::text operator(pg_catalog.||) relpersistence::text from pg_catalog.pg_class join family using (oid)`

/** What a text may leave behind in its session, unseen by other sessions: locks, settings, settings that nobody declared. */
const STATE = `
  select (select pg_catalog.count(*) from pg_catalog.pg_locks
           where locktype operator(pg_catalog.=) 'advisory' and pid operator(pg_catalog.=) pg_catalog.pg_backend_pid())::text,
         (select pg_catalog.md5(pg_catalog.string_agg(name operator(pg_catalog.||) setting, ',' order by name))
            from pg_catalog.pg_settings where source operator(pg_catalog.=) 'session'),
         (select pg_catalog.string_agg(coalesce(pg_catalog.current_setting(name, true), ''), ',')
            from pg_catalog.unnest(array['app.x', 'app.t', 'a.b', 'x.y', 'app.tenant']) as name)`

const ORDINARY = { isTemporary: false, isSequence: false, isForeign: false } as const

let databases = 0

/** Puts each text of a suite to the standby, then to the primary, and judges our verdict by what they answered. */
export async function* runSuite(suite: Suite, options: RunOptions): AsyncGenerator<Verdict> {
  const standbyUrl = options.cluster.replicas[0]?.url ?? ''
  const primaryUrl = options.cluster.primary.url
  const database = `judge_${++databases}`
  await using witness = await Witness.open(options.cluster)
  await witness.arrange(`create database ${database} template template0`)
  let left = options.limit
  try {
    await setUp(suite, new Session(primaryUrl, database))
    for (const script of suite.scripts) {
      const sessions = [new Session(standbyUrl, database), new Session(primaryUrl, database)] as const
      const bench = new Bench(witness, ...sessions, options, database)
      try {
        for await (const verdict of bench.run(script)) {
          yield verdict
          if (--left <= 0) return
        }
      } finally {
        await bench.close()
      }
    }
  } finally {
    // Room for the next ones; what holds on to it (a subscription) ends with the cluster.
    await witness.arrange(`drop database ${database} with (force)`).catch(() => undefined)
  }
}

async function setUp(suite: Suite, session: Session): Promise<void> {
  try {
    const { isOk, message } = await session.ask(suite.setup)
    if (!isOk) throw new CorpusUnavailable(`the setup of ${suite.name} failed: ${message}`)
  } finally {
    await session.close()
  }
}

/** One session on each node, and the witness beside them. */
class Bench {
  readonly #witness: Witness
  readonly #standby: Session
  readonly #primary: Session
  readonly #options: RunOptions
  readonly #url: string
  #knowledge: Knowledge | undefined
  #isStale = true
  #position: Position | undefined
  /** What the standby's session holds; `undefined` while that is not known. */
  #state: string | undefined

  constructor(witness: Witness, standby: Session, primary: Session, options: RunOptions, database: string) {
    this.#witness = witness
    this.#standby = standby
    this.#primary = primary
    this.#options = options
    const url = new URL(options.cluster.primary.url)
    url.pathname = `/${database}`
    this.#url = url.href
  }

  async *run(script: Script): AsyncGenerator<Verdict> {
    for (const text of script.texts) {
      this.#options.signal.throwIfAborted()
      if (UNTOUCHABLE.test(text.sql)) continue
      const verdict = await this.#judge(script.name, text)
      yield verdict
      const { belongsOnPrimary, livesInSession, writes } = verdict.label
      // DML changes no catalog; what a function did is not known.
      if (writes === undefined ? verdict.facts.wroteOnPrimary : !DML.test(writes)) this.#isStale = true
      const isKept = (belongsOnPrimary ?? livesInSession ?? writes) !== undefined || verdict.facts.leavesStateOnStandby
      if (script.isIsolated && isKept) await this.#forget()
    }
  }

  async close(): Promise<void> {
    // Temporary tables go now, and not while the next script is watched.
    await this.#forget()
    await Promise.all([this.#standby.close(), this.#primary.close()])
  }

  async #forget(): Promise<void> {
    for (const session of [this.#standby, this.#primary]) {
      const { isOk } = await session.ask('discard all')
      // A session that was made serializable by default can do nothing on a standby any more, not even this.
      if (!isOk) await session.close()
    }
    this.#position = undefined
    this.#state = undefined
  }

  async #judge(script: string, { sql, input }: Text): Promise<Verdict> {
    if (this.#isStale && this.#options.learn !== undefined) this.#knowledge = await this.#options.learn(this.#url)
    this.#isStale = false
    const statement = classify(sql, this.#knowledge)
    // What is newer than the catalog counts as if there were none.
    const hasCatalog = this.#knowledge !== undefined && statement.reason !== 'newer-than-catalog'
    const isTried = isTriedOnStandby(statement.access, hasCatalog)
    const label = labelOf(sql)
    const before = this.#position ?? (await this.#witness.position())
    await this.#witness.replayed(before, this.#options.signal)

    this.#state ??= await this.#stateOfStandby()
    const standby = await askOne(this.#standby, sql, input)
    const stateBefore = this.#state
    this.#state = standby.isOk ? await this.#stateOfStandby() : undefined
    const between = await this.#witness.position()
    const primary = await askOne(this.#primary, sql, input)
    const after = await this.#witness.position()
    this.#position = after

    const wroteOnPrimary = after.nextTransaction !== between.nextTransaction
    const facts: Facts = {
      wroteFromStandby: between.nextTransaction !== before.nextTransaction,
      wroteOnPrimary,
      leavesStateOnStandby: this.#state !== undefined && this.#state !== stateBefore,
      differs:
        standby.isOk &&
        primary.isOk &&
        !wroteOnPrimary &&
        !label.isExplain &&
        !label.isRandom &&
        (await this.#differs(sql, label, standby, primary)),
      ...(await this.#kinds(label, isTried, standby)),
    }
    const judgement = judge(statement.access, hasCatalog, standby, primary, label, facts)
    return { ...judgement, script, sql, statement, standby, primary, label, facts }
  }

  async #stateOfStandby(): Promise<string> {
    return (await this.#standby.ask(STATE)).rows.join()
  }

  /** Other rows than the primary's, and not by chance: each node gives its own ones again and again. */
  async #differs(sql: string, { calls }: Label, standby: Outcome, primary: Outcome): Promise<boolean> {
    if (isSame(standby, primary)) return false
    this.#position = undefined
    // What a function makes of an EXPLAIN is a plan still.
    const names = calls.map((name) => `'${name.replaceAll("'", "''")}'`).join(',')
    const plan = `select from pg_catalog.pg_proc where proname in (${names}) and prosrc operator(pg_catalog.~*) 'explain'`
    if (calls.length > 0 && (await this.#primary.ask(plan)).rows.length > 0) return false
    for (let repeat = 0; repeat < REPEATS; repeat++) {
      const again = await askOne(this.#primary, sql)
      if (!again.isOk || !isSame(primary, again)) return false
      if (!isSame(standby, await askOne(this.#standby, sql))) return false
    }
    return true
  }

  /** Looks at what the text names where that can decide: the text of a sequence, or of a temporary table, is that of a table. */
  async #kinds(
    { relations }: Label,
    isTried: boolean,
    standby: Outcome,
  ): Promise<Pick<Facts, 'isTemporary' | 'isSequence' | 'isForeign'>> {
    if (standby.refusal === 'refused') return ORDINARY
    if (standby.refusal === 'unknown-object') {
      // It has replayed everything, so what it lacks is of the primary's session alone.
      const { rows } = await this.#primary.ask('select pg_catalog.pg_my_temp_schema() operator(pg_catalog.<>) 0')
      return { ...ORDINARY, isTemporary: rows[0] === '["t"]' }
    }
    const named = isTried ? relations.filter((name) => !/^"(pg_|information_schema)/.test(name)) : relations
    if (named.length === 0) return ORDINARY
    const names = named.map((name) => `'${name.replaceAll("'", "''")}'`).join(',')
    const { rows } = await this.#primary.ask(KINDS.replace('NAMES', () => names))
    const kinds = rows.map((row) => (JSON.parse(row) as readonly string[])[0] ?? '')
    return {
      isTemporary: kinds.some((kind) => kind.endsWith('t')),
      isSequence: kinds.some((kind) => kind.startsWith('S')),
      isForeign: kinds.some((kind) => kind.startsWith('f')),
    }
  }
}

async function askOne(session: Session, sql: string, input?: string): Promise<Outcome> {
  let outcome = await session.ask(sql, input)
  await session.settle()
  if (outcome.code === NEEDS_TRANSACTION) {
    await session.ask('begin')
    outcome = await session.ask(sql, input)
    await session.ask(outcome.isOk ? 'commit' : 'rollback')
    await session.settle()
  }
  return outcome
}

function isSame(left: Outcome, right: Outcome): boolean {
  return left.rows.length === right.rows.length && left.rows.every((row, index) => row === right.rows[index])
}
