import type { RoutedPool } from '@headwater/pg'

/** What the suite asks of a data adapter, in that adapter's own words. Where one gives names of servers, each server said its own. */
export interface Data {
  read(): Promise<string>
  /** Who answers, and how many notes with this body it sees: `nrt sees 1`. */
  find(body: string): Promise<string>
  /** Raw SQL with comments that lie, and a leading parenthesis. */
  readRaw(): Promise<string>
  readThroughCte(): Promise<string>
  /** Two reads in a READ ONLY transaction. */
  readOnlyTransaction(): Promise<string[]>
  /** Three rows, as they come. */
  stream(): AsyncIterable<string>
  write(body: string): Promise<string>
  writeRaw(body: string): Promise<string>
  /** A CTE that inserts, under a select. */
  writingCte(body: string): Promise<string>
  /** A CTE that selects, before an update. */
  cteBeforeUpdate(): Promise<string>
  forUpdate(): Promise<string>
  forShareSkipLocked(): Promise<string>
  nextval(): Promise<string>
  advisoryLock(): Promise<string>
  /** Takes a lock that the session keeps, and gives it back in the same statement. */
  sessionLock(): Promise<string>
  /** A read, then a write. */
  transaction(body: string): Promise<string[]>
  /** The same at SERIALIZABLE. */
  serializable(body: string): Promise<string[]>
  /** Writes, then throws `reason`. */
  rolledBack(body: string, reason: Error): Promise<never>
  /** One write before, one in a savepoint that is undone, one in a savepoint that is kept. */
  savepoints(body: string): Promise<void>
  /** A read, a write and a read, on one connection outside a transaction. */
  connection(body: string): Promise<string[]>
  /** Calls a function that writes, which its call does not say. */
  callWriter(body: string): Promise<void>
  /** A write that the database refuses: the tag `taken` is there. */
  violateUnique(): Promise<unknown>
  /** A read that fails. */
  divideByZero(): Promise<unknown>
}

export interface DataAdapter {
  readonly name: string
  /** What the library under it cannot do at all, and why. */
  readonly lacks: Readonly<Partial<Record<keyof Data, string>>>
  /** How many errors the library puts around the database's own. */
  readonly wrappers: number
  open(pool: RoutedPool): Data
}

/** What the suite adds to the stage's own schema. */
export const SCHEMA = `
  create table tag (name text primary key);
  insert into tag values ('taken');
  create table counter (id int primary key, n int not null);
  insert into counter values (1, 0);
`
