import pg from 'pg'
import { isOpen, type OnceTransaction, rowsOf } from './once-transaction.ts'

/**
 * The migration that `onceOnly()` needs, in SQL that may run again. Old keys go by age, as often as you like:
 * `delete from headwater_once where done_at < now() - interval '30 days'`. A key that is gone runs once more.
 */
export const ONCE_ONLY_MIGRATION = `create table if not exists headwater_once (
  key text primary key,
  result jsonb,
  done_at timestamptz not null default now()
);
create index if not exists headwater_once_done_at on headwater_once (done_at);
`

/** How often a key may vanish between two questions. */
const ATTEMPTS = 5

/**
 * Runs `run` once for each key, whoever tries again: a browser, a queue, a proxy, or the app after `OutcomeUnknown` (X6).
 *
 * The key is a row in the caller's open transaction, so it is committed with what `run` wrote or not at all. A second call
 * waits for the first, and gives what that gave, without running; when the first has rolled back, it runs. The result is kept as JSON, and
 * given as JSON says it the first time too; `undefined` stays. In REPEATABLE READ and SERIALIZABLE a call that met another
 * one rejects with 40001, as any write there: run the transaction again.
 *
 * @param transaction a pg client between BEGIN and COMMIT, Kysely's `trx` or Drizzle's `tx`.
 * @param key what makes the deed this deed, such as the id that the client gave its request; 1 to 1,000 characters.
 * @throws {TypeError} when no transaction is open, or for another key. What `run` rejects with passes; then roll back.
 * @example
 * ```ts
 * await db.transaction((tx) => onceOnly(tx, `pay:${requestId}`, async () => pay(tx, order)))
 * ```
 */
export async function onceOnly<Transaction extends OnceTransaction, Result>(
  transaction: Transaction,
  key: string,
  run: (transaction: Transaction) => PromiseLike<Result> | Result,
): Promise<Result> {
  if (typeof key !== 'string' || key === '' || key.length > 1_000) {
    throw new TypeError('[headwater] onceOnly(): the key is no text of 1 to 1,000 characters; give what names the deed')
  }
  if (!isOpen(transaction)) {
    throw new TypeError(
      "[headwater] onceOnly(): no transaction is open; give a pg client behind BEGIN, Kysely's trx or Drizzle's tx",
    )
  }
  const name = pg.escapeLiteral(key)
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const taken = await rowsOf(
      transaction,
      `insert into headwater_once (key) values (${name}) on conflict (key) do nothing returning key`,
    )
    if (taken.length > 0) return keep(transaction, name, await run(transaction))
    const [row] = await rowsOf(
      transaction,
      `select coalesce(result::text, '') as result from headwater_once where key = ${name}`,
    )
    // Without a row: it was deleted by age between the two.
    if (row !== undefined) return parse(Reflect.get(Object(row), 'result'))
  }
  throw new Error(`[headwater] onceOnly(): the key ${JSON.stringify(key)} vanishes as often as it is asked for`)
}

async function keep<Result>(transaction: OnceTransaction, name: string, result: Result): Promise<Result> {
  const json: string | undefined = JSON.stringify(result)
  if (json === undefined) return parse('')
  await rowsOf(transaction, `update headwater_once set result = ${pg.escapeLiteral(json)}::jsonb where key = ${name}`)
  return parse(json)
}

/** What a result is after JSON; the text without one stands for `undefined`. */
function parse<Result>(json: unknown): Result {
  return json === '' ? (undefined as Result) : JSON.parse(String(json))
}
