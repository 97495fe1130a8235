import type { RoutedPool } from '@headwater/pg'
import { untilHome, World } from '@headwater/test-world'
import { afterAll, beforeAll, beforeEach } from 'vitest'
import type { Database, Version } from './version.ts'

/** What these suites add to the world. */
const SCHEMA = `
  create table author (id int primary key generated always as identity, name text not null unique);
  alter table note add author_id int references author;
  create table tag (name text not null);
  create sequence ticket;
  create materialized view note_count as select count(*)::int as count from note;
  insert into author (name) values ('ada');
  insert into note (author_id, body) values (1, 'first');
`

/** What a suite plays on: one version of Drizzle at home and away, on servers of its own. */
export interface Stage {
  readonly name: string
  readonly version: Version
  readonly world: World
  readonly home: RoutedPool
  readonly away: RoutedPool
  readonly atHome: Database
  readonly abroad: Database
  /** Which server answers a read. */
  who(db: Pick<Database, 'select'>): Promise<string | undefined>
  add(db: Pick<Database, 'insert'>, body: string): Promise<unknown>
}

/** Sets the stage for the tests of the describe block, or file, in which it is called. */
export function setStage(name: string, version: Version): Stage {
  const { server, note } = version.tables
  let set: Pick<Stage, 'world' | 'home' | 'away' | 'atHome' | 'abroad'> | undefined
  const now = () => {
    if (set === undefined) throw new Error('the stage is set in beforeAll: ask for it inside a test')
    return set
  }
  beforeAll(async () => {
    const world = await World.start({ schema: SCHEMA })
    const [home, away] = [await world.informedPool('ams'), await world.informedPool('nrt')]
    set = { world, home, away, atHome: version.open(home), abroad: version.open(away) }
  })
  beforeEach(() => Promise.all([untilHome(now().home), untilHome(now().away)]))
  afterAll(() => set?.world[Symbol.asyncDispose]())
  return {
    name,
    version,
    get world() {
      return now().world
    },
    get home() {
      return now().home
    },
    get away() {
      return now().away
    },
    get atHome() {
      return now().atHome
    },
    get abroad() {
      return now().abroad
    },
    who: async (db) => (await db.select({ who: server.who }).from(server))[0]?.who,
    add: async (db, body) => await db.insert(note).values({ body }),
  }
}
