import type { World } from './world.ts'

/** One row of the table. */
export interface Statement {
  readonly title: string
  /** The cell that is right, next to a replica, at home. */
  readonly right: string
  /** For what gives no row: whether it took effect on the primary. */
  readonly landed?: (world: World, body: string) => Promise<boolean>
  /** Where it runs. Default: with everything as it should be. */
  readonly weather?: 'replicas behind' | 'replicas gone'
}

const read = (title: string): Statement => ({ title, right: 'replica' })
const write = (title: string, landed?: NonNullable<Statement['landed']>): Statement =>
  landed === undefined ? { title, right: 'primary' } : { title, right: 'primary', landed }

const noted: Statement['landed'] = (world, body) => world.has('select from note where body = $1', [body])

/** What each of them is asked, in its own words. */
export const STATEMENTS = {
  select: read('`select`'),
  cte: read('`with c as (select …) select`'),
  rawRead: read('raw `/* insert */ ((select …))`'),
  readingFunction: read('a function that only reads'),
  readOnlyTransaction: read('a READ ONLY transaction'),

  insert: write('`insert`', noted),
  insertingCte: write('`with c as (insert …) select`'),
  updatingCte: write('`with c as (update …) select`'),
  deletingCte: write('`with c as (delete …) select`'),
  cteBeforeInsert: write('`with c as (select …) insert`', noted),
  cteBeforeUpdate: write('`with c as (select …) update`', (world) => world.has('select from counter where n > 0')),
  cteBeforeDelete: write('`with c as (select …) delete`', async (world, body) => !(await noted(world, body))),
  rawWrite: write('raw `/* select */ with c as (insert …) (select …)`'),
  twoStatements: write('raw `select 1; insert …`', noted),
  explainAnalyze: write('`explain analyze insert`', noted),
  selectInto: write('`select … into`', (world) =>
    world.has(`select to_regclass('made') where to_regclass('made') is not null`),
  ),
  temporaryTable: write('`create temp table`', (world) => world.has(`select from pg_class where relname = 'scratch'`)),

  forUpdate: write('`select … for update`'),
  forUpdateSkipLocked: write('`select … for update skip locked`'),
  forShare: write('`select … for share`'),
  advisoryLock: write('`pg_advisory_lock`'),
  tryAdvisoryLock: write('`pg_try_advisory_lock`'),
  advisoryLockOfTransaction: write('`pg_advisory_xact_lock`'),
  tryAdvisoryLockOfTransaction: write('`pg_try_advisory_xact_lock`'),
  nextval: write('`nextval`'),
  setval: write('`setval`'),
  notify: write('`pg_notify`'),
  listen: write('`listen`', (world) =>
    world.has(`select from pg_stat_activity where query = 'listen peers' and pid <> pg_backend_pid()`),
  ),

  writingFunction: write('a function that writes', noted),
  swallowingFunction: write('a function that writes, and hides that it could not', noted),
  writingView: write('a view that writes', (world) => world.has(`select from note where body = 'through a view'`)),

  transaction: write('a transaction that reads, then writes'),
  serializable: write('a SERIALIZABLE transaction that reads'),
  savepoint: write('a write in a savepoint'),
  connection: write('a write on a connection that has read'),
  readAfterWrite: {
    title: 'a read after a write, in one request, replicas behind',
    right: 'primary',
    weather: 'replicas behind',
  },
  manyReads: { title: 'many reads in one request', right: 'one replica' },
  noReplica: { title: '`select`, with no replica up', right: 'primary', weather: 'replicas gone' },
} as const satisfies Record<string, Statement>

export type StatementName = keyof typeof STATEMENTS
