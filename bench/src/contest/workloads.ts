/** What every contender is asked, in its own words. */
export const WORKLOADS = {
  point: 'point select',
  join: 'join of three tables',
  insert: 'insert',
  transaction: 'BEGIN, INSERT, COMMIT',
  page: 'a page of ten point selects',
} as const

export type Workload = keyof typeof WORKLOADS
export const WORKLOAD_NAMES = Object.keys(WORKLOADS) as readonly Workload[]

/** The statements of those that take SQL; builders build the same. */
export const TEXTS = {
  point: 'select id, title from post where id = $1',
  join: `select p.id, p.title, a.name, c.body from post p join author a on a.id = p.author_id
    join comment c on c.post_id = p.id where p.id = $1`,
  insert: 'insert into entry (body) values ($1) returning id',
} as const

export const BODY = 'an entry of some length'
const POSTS = 10_000
export const anyPost = (): number => 1 + Math.floor(Math.random() * POSTS)

/** A page asks for all that it shows at once. */
export const pageOf = (point: () => Promise<unknown>): Promise<unknown> =>
  Promise.all(Array.from({ length: 10 }, point))

export const SCHEMA = `
  create table author (id int primary key, name text not null);
  create table post (id int primary key, author_id int not null references author, title text not null);
  create table comment (id int primary key, post_id int not null references post, body text not null);
  create table entry (id int primary key generated always as identity, body text not null);
  create index on comment (post_id);
  insert into author select g, 'author ' || g from generate_series(1, 1000) g;
  insert into post select g, 1 + g % 1000, 'post ' || g from generate_series(1, ${POSTS}) g;
  insert into comment select g, 1 + g % ${POSTS}, 'comment ' || g from generate_series(1, 30000) g;
  analyze`
