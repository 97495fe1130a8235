/** Which server answers. */
export const WHO = 'select who from server'

/** Texts of one row that names its server. `body` is the test's own: it needs no escape. */
export const ASKING = {
  cte: () => `with c as (${WHO}) select who from c`,
  rawRead: () => `/* insert */ ((${WHO}))`,
  readingFunction: () => 'select who, count_notes() from server',
  insertingCte: (body: string) =>
    `with c as (insert into note (body) values ('${body}') returning id) select who from server, c`,
  updatingCte: () => `with c as (update counter set n = n returning id) select who from server, c`,
  deletingCte: () => `with c as (delete from note where false returning id) select who from server`,
  rawWrite: (body: string) =>
    `/* select */ with c as (insert into note (body) values ('${body}') returning id) (select who from server, c)`,
  forUpdate: () => `select (${WHO}) as who from counter for update`,
  forUpdateSkipLocked: () => `select (${WHO}) as who from counter for update skip locked`,
  forShare: () => `select (${WHO}) as who from counter for share`,
  advisoryLock: () => 'select who, pg_advisory_lock(1)::text from server',
  tryAdvisoryLock: () => 'select who, pg_try_advisory_lock(1) from server',
  advisoryLockOfTransaction: () => 'select who, pg_advisory_xact_lock(1)::text from server',
  tryAdvisoryLockOfTransaction: () => 'select who, pg_try_advisory_xact_lock(1) from server',
  nextval: () => `select who, nextval('ticket') from server`,
  setval: () => `select who, setval('ticket', 7) from server`,
  notify: () => `select who, pg_notify('peers', '')::text from server`,
} as const

/** Texts without such a row. */
export const SILENT = {
  cteBeforeInsert: (body: string) => `with c as (select '${body}'::text) insert into note (body) select * from c`,
  cteBeforeUpdate: () => 'with c as (select 1 as id) update counter set n = 1 where id in (select id from c)',
  cteBeforeDelete: (body: string) =>
    `with c as (select '${body}'::text) delete from note where body in (select * from c)`,
  twoStatements: (body: string) => `select 1; insert into note (body) values ('${body}')`,
  explainAnalyze: (body: string) => `explain analyze insert into note (body) values ('${body}')`,
  selectInto: () => 'select 1 as n into made',
  temporaryTable: () => 'create temp table scratch (n int)',
  listen: () => 'listen peers',
  writingFunction: (body: string) => `select write_note('${body}')`,
  swallowingFunction: (body: string) => `select try_to_write_note('${body}')`,
} as const
