import type { RoutedPool } from '@headwater/pg'
import type pg from 'pg'

/** What an app asks of its ORM; each ORM builds the same statements. */
export const ORM_WORKLOADS = [
  { name: 'point select', key: 'pointSelect', doesWrite: false },
  { name: 'select with join', key: 'joinSelect', doesWrite: false },
  { name: 'insert', key: 'insert', doesWrite: true },
] as const

export type OrmWorkload = (typeof ORM_WORKLOADS)[number]

/** Builds, sends and reads one statement. */
export type Runs = Readonly<Record<OrmWorkload['key'], () => Promise<unknown>>>

/** The pools of the three that are compared; bare and peer have one a server, as they would in an app. */
export interface OrmPools {
  readonly routed: RoutedPool
  readonly bare: Sides
  readonly peer: Sides
}

export interface Sides {
  readonly primary: pg.Pool
  readonly replica: pg.Pool
}

/** One opponent of ours. Both sides of the comparison are the same version of the ORM. */
export interface Opponent {
  readonly name: string
  readonly pools: 'bare' | 'peer'
  readonly atLeast: number
  readonly runs: Runs
  readonly ours: Runs
}

/** One ORM with its opponents, and with the reasons why any are absent. */
export interface OrmContest {
  readonly title: string
  readonly opponents: readonly Opponent[]
  readonly remarks: readonly string[]
}

export const BARE_AT_LEAST = 0.97
export const PEER_AT_LEAST = 1

export const ORM_SCHEMA = `
  create table author (id int primary key generated always as identity, name text not null);
  create table note (
    id int primary key generated always as identity, author_id int not null references author, body text not null
  );
  insert into author (name) values ('an author');
  insert into note (author_id, body) values (1, 'first')`
