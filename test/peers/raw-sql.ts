/** The texts that every one of them sends alike. `body` is the test's own: it needs no escape. */
export const WHO = 'select who from server'

export const RAW = {
  rawRead: () => `/* insert */ ((${WHO}))`,
  rawWrite: (body: string) =>
    `/* select */ with c as (insert into note (body) values ('${body}') returning id) (select who from server, c)`,
  twoStatements: (body: string) => `select 1; insert into note (body) values ('${body}')`,
  explainAnalyze: (body: string) => `explain analyze insert into note (body) values ('${body}')`,
  selectInto: () => 'select 1 as n into made',
  temporaryTable: () => 'create temp table scratch (n int)',
  listen: () => 'listen peers',
} as const
