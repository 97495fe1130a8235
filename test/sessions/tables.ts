/** The table of connect-pg-simple, and one that the stores of this suite keep whole sessions in. */
export const SCHEMA = `
  create table session (sid varchar primary key, sess json not null, expire timestamp(6) not null);
  create table kept_session (sid text primary key, data jsonb not null);
`
