import type { Cluster } from '@headwater/cluster'
import { type Access, type AccessReason, classify, classifyRefusal, type Knowledge } from '@headwater/core/internal'
import { World } from '@headwater/test-world'
import pg from 'pg'
import { expect } from 'vitest'
import { loadCatalog } from '../src/catalog/load-catalog.ts'
import type { CatalogKnowledge } from '../src/catalog/object.ts'

/** What a hot standby does with a statement, as the test finds out by running it there and then on the primary. */
export type Answer =
  /** It gives the primary's answer. */
  | 'answers'
  /** It refuses, and the router would know it. */
  | 'refuses'
  /** It says yes, and the write that the primary makes is lost, or its answer is another. */
  | 'deceives'
  /** It says yes, and something was written on the primary meanwhile. */
  | 'reaches out'

/** A primary with one standby, a schema on both, and what the catalog of the standby says. */
export class CatalogWorld {
  readonly #world: World
  readonly cluster: Cluster
  readonly primary: pg.Pool
  readonly standby: pg.Pool
  #knowledge: CatalogKnowledge | undefined

  private constructor(world: World) {
    this.#world = world
    this.cluster = world.cluster
    this.primary = world.admin
    this.standby = world.ending(new pg.Pool({ connectionString: world.replica().url, max: 1 }))
    this.standby.on('error', () => undefined)
  }

  /** Runs each part of the schema on the primary, then loads the catalog from the standby. */
  static async start(...schema: readonly string[]): Promise<CatalogWorld> {
    const world = new CatalogWorld(
      await World.start({ schema: 'create table log (id int generated always as identity, body text)' }),
    )
    for (const part of schema) await world.primary.query(part)
    await world.load()
    return world
  }

  get knowledge(): CatalogKnowledge {
    if (this.#knowledge === undefined) throw new Error('the catalog has not been loaded')
    return this.#knowledge
  }

  /** PostgreSQL's major version. */
  async version(): Promise<number> {
    const { rows } = await this.primary.query<{ version: string }>(
      "select current_setting('server_version_num') as version",
    )
    return Math.floor(Number(rows[0]?.version) / 10_000)
  }

  async load(): Promise<void> {
    await this.cluster.waitUntilCaughtUp()
    this.#knowledge = await loadCatalog(this.standby)
  }

  /** Holds the verdict on `sql` against `access`, and `access` against what the standby really does. */
  async judge(sql: string, access: Access, answer: Answer, reason?: AccessReason): Promise<void> {
    const verdict = classify(sql, this.knowledge satisfies Knowledge)
    expect.soft(await this.answerTo(sql), `the standby's answer to ${sql}`).toBe(answer)
    expect.soft(verdict.access, `${sql}: ${verdict.reason} (${verdict.token})`).toBe(access)
    if (reason !== undefined) expect.soft(verdict.reason, sql).toBe(reason)
  }

  async answerTo(sql: string): Promise<Answer> {
    await this.cluster.waitUntilCaughtUp()
    const before = await this.#log()
    let there: unknown
    try {
      there = (await this.standby.query(sql)).rows
    } catch (error) {
      if (classifyRefusal(error, true) === 'refused') return 'refuses'
      // An error that the primary gives as well is an answer like any other.
      there = Reflect.get(Object(error), 'code')
    }
    const between = await this.#log()
    if (between !== before) return 'reaches out'
    let here: unknown
    try {
      here = (await this.primary.query(sql)).rows
    } catch (error) {
      here = Reflect.get(Object(error), 'code')
    }
    const isSame = (await this.#log()) === between && JSON.stringify(here) === JSON.stringify(there)
    return isSame ? 'answers' : 'deceives'
  }

  async #log(): Promise<string> {
    const { rows } = await this.primary.query<{ count: string }>('select count(*) from log')
    return rows[0]?.count ?? ''
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#world[Symbol.asyncDispose]()
  }
}
