import { World as TestWorld } from '@headwater/test-world'
import type pg from 'pg'

const SCHEMA = `
  create table counter (id int primary key, n int not null);
  insert into counter values (1, 0);
  create sequence ticket;
  create function try_to_write_note(text) returns text language plpgsql as $$ begin
    perform write_note($1); return 'written'; exception when others then return 'not written'; end $$;
  create view writing as select write_note('through a view') as id;
`

/** Where the nodes of one run are. */
export interface Nodes {
  readonly primary: string
  readonly replicas: readonly [string, string]
}

/** A primary with two replicas, all next door. */
export class World {
  readonly admin: pg.Pool
  readonly nodes: Nodes
  readonly #world: TestWorld

  private constructor(world: TestWorld) {
    this.#world = world
    this.admin = world.admin
    this.nodes = {
      primary: world.cluster.primary.url,
      replicas: [world.replica(0).url, world.replica(1).url],
    }
  }

  static async start(): Promise<World> {
    return new World(await TestWorld.start({ replicas: ['replica-1', 'replica-2'], schema: SCHEMA }))
  }

  /** Waits until the replicas have what the primary has. */
  async settle(): Promise<void> {
    await this.#world.cluster.waitUntilCaughtUp()
  }

  /** Whether a question to the primary has a row as its answer. */
  async has(text: string, values: readonly unknown[] = []): Promise<boolean> {
    const { rowCount } = await this.admin.query(text, [...values])
    return rowCount !== 0
  }

  /** Runs while no replica replays anything: each is as far behind as it gets. */
  async whileBehind<Result>(run: () => Promise<Result>): Promise<Result> {
    for (const replica of this.#world.cluster.replicas) await replica.pauseReplay()
    try {
      return await run()
    } finally {
      for (const replica of this.#world.cluster.replicas) await replica.resumeReplay()
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#world[Symbol.asyncDispose]()
  }
}
