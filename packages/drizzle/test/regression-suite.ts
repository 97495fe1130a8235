import { findReplay } from '@headwater/core'
import { inJob, inRequest } from '@headwater/test-world'
import { Cache, type MutationOption } from 'drizzle-orm/cache/core'
import { describe, expect, it } from 'vitest'
import { drizzle } from '../src/index.ts'
import type { Stage } from './stage.ts'

/** What went wrong in others. */
export function regressions(stage: Stage): void {
  const { name, version } = stage
  const { sql, eq } = version.orm
  const { note, server } = version.tables

  describe(`${name}: what went wrong in others`, () => {
    it('drizzle-orm#1834, #3951, #4039: no method of the database is lost', async () => {
      for (const method of ['$with', 'with', '$count', 'selectDistinctOn', 'refreshMaterializedView'] as const) {
        expect(typeof stage.atHome[method]).toBe('function')
      }
      expect(await stage.atHome.$count(note)).toBeGreaterThan(0)
    })

    it('R1: drizzle(pool) and drizzle(pool, config) are the same database as drizzle({ client: pool })', async () => {
      const logged: string[] = []
      const logger = { logQuery: (text: string) => void logged.push(text) }
      const forms = [drizzle(stage.home), drizzle(stage.home, { logger }), drizzle({ client: stage.home, logger })]
      for (const database of forms) {
        expect(database).toBeInstanceOf(version.NodePgDatabase)
        expect(database.$client).toBe(stage.home)
        expect((await database.select({ who: server.who }).from(server))[0]?.who).toBe('nrt')
      }
      expect(logged).toHaveLength(2)
    })

    it('an address instead of a pool is refused without being repeated, and mock() is Drizzle’s own', () => {
      const url = 'postgres://app:secret@localhost/app'
      for (const given of [url, { connection: url }, { connection: { connectionString: url } }]) {
        const make = () => Reflect.apply(drizzle, undefined, [given])
        expect(make).toThrow(/^\[headwater\] option client: is the address of one server.*RoutedPool/)
        expect(make).not.toThrow(/secret/)
      }
      expect(() => Reflect.apply(drizzle, undefined, [])).toThrow(/is not a RoutedPool/)
      const mock = drizzle.mock()
      expect(mock).toBeInstanceOf(version.NodePgDatabase)
      expect(mock.select({ who: server.who }).from(server).toSQL().sql).toBe('select "who" from "server"')
    })

    it('drizzle-orm#6161, #6198: $with keeps its second argument', async () => {
      const cte = stage.atHome.$with('cte', { who: server.who }).as(sql`select who from server`)
      expect(await stage.atHome.with(cte).select({ who: cte.who }).from(cte)).toEqual([{ who: 'nrt' }])
    })

    it('drizzle-orm#4185: a CTE that writes reaches the database once, through the primary', async () => {
      const cte = stage.atHome.$with('cte').as(stage.atHome.insert(note).values({ body: '#4185' }).returning())
      expect(await stage.atHome.with(cte).select({ body: cte.body }).from(cte)).toEqual([{ body: '#4185' }])
      expect(await stage.world.notes('#4185')).toBe(1)
    })

    it('drizzle-orm#6234, better-auth#5887: a read in a transaction sees what the transaction wrote', async () => {
      await stage.atHome.transaction(async (tx) => {
        await stage.add(tx, '#6234')
        const found = eq(note.body, '#6234')
        expect(await tx.select().from(note).where(found)).toHaveLength(1)
        expect(await tx.$count(note, found)).toBe(1)
        const all = await tx.query.note.findMany()
        expect(all.filter(({ body }) => body === '#6234')).toHaveLength(1)
        await tx.transaction(async (nested) => expect(await nested.select().from(note).where(found)).toHaveLength(1))
      })
    })

    it('R4, R5: a read beside an open transaction is at the primary after its write', async () => {
      await inJob(() =>
        stage.atHome.transaction(async (tx) => {
          await stage.add(tx, 'beside')
          expect(await stage.who(stage.atHome)).toBe('primary')
        }),
      )
    })

    it('X5: end() returns behind a transaction whose BEGIN was replayed, although Drizzle 0.45 keeps its client', async () => {
      const pool = stage.world.pool('nrt')
      const db = version.open(pool)
      const begun = inRequest(pool, () => db.transaction(async () => undefined, { isolationLevel: 'serializable' }))
      await expect(begun).rejects.toSatisfy((error) => findReplay(error) !== undefined)
      await pool.end()
      expect([pool.ended, pool.totalCount]).toEqual([true, 0])
    })

    it('R10: .prepare() fails once after a migration, as over pg, and not for ever', async () => {
      const { world } = stage
      const db = version.open(world.pool('ams', { max: 1 }))
      const tags = db.select().from(version.tables.tag).prepare('tags')
      const migrate = async (type: string) => {
        await world.change(`alter table tag alter column name type ${type}`)
      }
      await tags.execute()
      await migrate('varchar(100)')
      try {
        await expect(tags.execute()).rejects.toMatchObject({ cause: { code: '0A000' } })
        for (let n = 0; n < 3; n += 1) expect(await tags.execute()).toEqual(expect.any(Array))
      } finally {
        await migrate('text')
      }
    })

    it('one scope reads from one replica, every time', async () => {
      const seen = await inJob(() => Promise.all(Array.from({ length: 10 }, () => stage.who(stage.atHome))))
      expect(new Set(seen)).toEqual(new Set(['nrt']))
    })
  })

  describe(`${name}: cache`, () => {
    it('a cached read after a write in the same scope is the new row, from the primary', async () => {
      const cache = new MemoryCache()
      const db = version.open(stage.world.pool('ams'), cache)
      const read = () => db.select({ body: note.body }).from(note).where(eq(note.body, 'cached')).$withCache()
      await stage.world.replica().pauseReplay()
      try {
        await inJob(async () => {
          expect(await read()).toEqual([])
          expect(await read()).toEqual([])
          expect(cache.hits).toBe(1)
          await stage.add(db, 'cached')
          expect(await read()).toEqual([{ body: 'cached' }])
          expect(await read()).toEqual([{ body: 'cached' }])
          expect(cache.hits).toBe(2)
        })
      } finally {
        await stage.world.replica().resumeReplay()
        await stage.world.cluster.waitUntilCaughtUp()
      }
    })
  })
}

/** Drizzle's cache in a Map: every write to a table drops what was read from it. */
class MemoryCache extends Cache {
  hits = 0
  readonly #entries = new Map<string, { response: unknown[]; tables: string[] }>()

  strategy(): 'explicit' {
    return 'explicit'
  }

  async get(key: string): Promise<unknown[] | undefined> {
    const entry = this.#entries.get(key)
    if (entry !== undefined) this.hits += 1
    return entry?.response
  }

  async put(key: string, response: unknown[], tables: string[]): Promise<void> {
    this.#entries.set(key, { response, tables })
  }

  async onMutate({ tables }: MutationOption): Promise<void> {
    const changed = new Set([tables ?? []].flat().map((table) => (typeof table === 'string' ? table : '')))
    for (const [key, entry] of this.#entries) {
      if (entry.tables.some((table) => changed.has(table))) this.#entries.delete(key)
    }
  }
}
