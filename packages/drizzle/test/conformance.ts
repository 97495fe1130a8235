import {
  currentScope,
  findReplay,
  ReplayToPrimary,
  runInScope,
  Scope,
  WriteOnReplica,
  withPrimary,
  withReplica,
} from '@headwater/core'
import type { RoutedPool } from '@headwater/pg'
import { Cache, type MutationOption } from 'drizzle-orm/cache/core'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readonly } from '../src/index.ts'
import { statementsOf } from './statements.ts'
import type { Database, Version } from './version.ts'
import { errorOf, inRequest, World } from './world.ts'

/** Holds one version of Drizzle to the promises, on real servers. */
export function conformance(name: string, version: Version): void {
  const { orm, tables } = version
  const { sql, eq, DrizzleQueryError } = orm
  const { note, server, noteCount } = tables
  const { reads, writes } = statementsOf(version)

  let world: World
  let home: RoutedPool
  let away: RoutedPool
  let atHome: Database
  let abroad: Database
  beforeAll(async () => {
    world = await World.start()
    home = world.pool('ams')
    away = world.pool('nrt')
    atHome = version.open(home)
    abroad = version.open(away)
  })
  afterAll(() => world[Symbol.asyncDispose]())

  const who = async (db: Pick<Database, 'select'>) => (await db.select({ who: server.who }).from(server))[0]?.who
  const add = (db: Pick<Database, 'insert'>, body: string) => db.insert(note).values({ body })
  const inJob = <Result>(fn: () => Promise<Result>): Promise<Result> => runInScope(new Scope(), fn)

  describe(`${name}: where each statement goes`, () => {
    it.each(Object.entries(reads))('R1: %s is read next door, at home and away', async (_, run) => {
      expect(await run(atHome)).toBe('nrt')
      expect(await run(abroad)).toBe('nrt')
      expect(await inRequest(away, () => run(abroad))).toBe('nrt')
    })

    it.each(Object.entries(writes))('R1, P1, P6: %s goes to the primary, or is replayed', async (_, run) => {
      expect(await run(atHome)).toBe('primary')
      expect(await run(abroad)).toBe('primary')
      const error = await inRequest(away, () => errorOf(run(abroad)))
      expect(error).toBeInstanceOf(DrizzleQueryError)
      expect(findReplay(error)).toMatchObject({ region: 'ams' })
      // Nothing was sent: a database would have been the cause.
      expect(findReplay(error)?.cause).toBeUndefined()
    })

    it.each(Object.entries(reads))('R4: %s reads the primary after a write', async (_, run) => {
      await inJob(async () => {
        await add(atHome, 'R4')
        expect(await run(atHome)).toBe('primary')
      })
    })

    it('R1, P2: an unseen function that writes goes to the primary at home, and is replayed once the standby refused it', async () => {
      const write = (db: Database, body: string) => db.execute(sql`select write_note(${body})`)
      await write(atHome, 'unseen at home')
      expect(await world.notes('unseen at home')).toBe(1)
      const error = await inRequest(away, () => errorOf(write(abroad, 'unseen away')))
      expect(findReplay(error)?.cause).toMatchObject({ code: '25006' })
      expect(await world.notes('unseen away')).toBe(0)
    })

    it('R2: an advisory lock is held at the primary', async () => {
      await atHome.transaction(async (tx) => {
        await tx.execute(sql`select pg_advisory_xact_lock(4242)`)
        const { rows } = await world.admin.query("select 1 from pg_locks where locktype = 'advisory' and objid = 4242")
        expect(rows).toHaveLength(1)
      })
    })

    it('R6: withPrimary and withReplica route what is awaited inside them', async () => {
      expect(await withPrimary(async () => await who(atHome))).toBe('primary')
      await inJob(async () => {
        await add(atHome, 'R6')
        expect(await withReplica(async () => await who(atHome))).toBe('nrt')
      })
      const error = await errorOf(withReplica(async () => await add(atHome, 'R6 refused')))
      expect((error as Error).cause).toBeInstanceOf(WriteOnReplica)
      expect(await world.notes('R6 refused')).toBe(0)
    })

    it('the database is Drizzle’s own, and $client the pool itself', () => {
      expect(Object.getPrototypeOf(atHome)).toBe(version.NodePgDatabase.prototype)
      expect(atHome.$client).toBe(home)
    })

    it('refreshMaterializedView refreshes, concurrently too', async () => {
      await atHome.refreshMaterializedView(noteCount).withNoData()
      await atHome.refreshMaterializedView(noteCount)
      const [row] = await withPrimary(async () => await atHome.select().from(noteCount))
      expect(row?.count).toBeGreaterThan(0)
    })

    it('a prepared statement is routed each time that it runs', async () => {
      const prepared = atHome.select({ who: server.who }).from(server).prepare('who_is_it')
      await inJob(async () => {
        expect(await prepared.execute()).toEqual([{ who: 'nrt' }])
        await add(atHome, 'prepared')
        expect(await prepared.execute()).toEqual([{ who: 'primary' }])
      })
      expect(await prepared.execute()).toEqual([{ who: 'nrt' }])
    })
  })

  describe(`${name}: transactions`, () => {
    const state = async (tx: Pick<Database, 'select'>) => (await tx.select().from(server))[0]

    it('R3: READ ONLY runs on the replica, at home and away', async () => {
      for (const db of [atHome, abroad]) {
        const seen = await db.transaction(state, { accessMode: 'read only', isolationLevel: 'repeatable read' })
        expect(seen).toEqual({ who: 'nrt', isStandby: true, isolation: 'repeatable read', readOnly: 'on' })
      }
    })

    it('R3: SERIALIZABLE, READ WRITE and DEFERRABLE run on the primary at home, and are replayed at BEGIN away', async () => {
      for (const [config, isolation, readOnly] of [
        [{ isolationLevel: 'serializable' }, 'serializable', 'off'],
        [{ accessMode: 'read write' }, 'read committed', 'off'],
        [{ isolationLevel: 'serializable', accessMode: 'read only', deferrable: true }, 'serializable', 'on'],
      ] as const) {
        expect(await atHome.transaction(state, config)).toMatchObject({ who: 'primary', isolation, readOnly })
        let isEntered = false
        const run = async () => {
          isEntered = true
        }
        expect(findReplay(await inRequest(away, () => errorOf(abroad.transaction(run, config))))).toBeDefined()
        expect(isEntered).toBe(false)
      }
      expect(away.waitingCount).toBe(0)
    })

    it('R3: away, a plain transaction reads next door until it writes; then nothing of it is left', async () => {
      await inRequest(away, async () => {
        expect(await abroad.transaction(who)).toBe('nrt')
        const error = await errorOf(
          abroad.transaction(async (tx) => {
            expect(await who(tx)).toBe('nrt')
            await add(tx, 'R3 away')
          }),
        )
        expect(findReplay(error)).toBeInstanceOf(ReplayToPrimary)
        // P3: the scope is spent.
        expect(findReplay(await errorOf(who(abroad)))).toBe(findReplay(error))
      })
      expect(await world.notes('R3 away')).toBe(0)
      expect(away.idleCount).toBe(away.totalCount)
    })

    it('P6: away, outside a request, a plain transaction runs on the primary', async () => {
      await abroad.transaction(async (tx) => {
        expect(await who(tx)).toBe('primary')
        await add(tx, 'P6')
      })
      expect(await world.notes('P6')).toBe(1)
    })

    it('R3: setTransaction before the first statement counts', async () => {
      const seen = await atHome.transaction(async (tx) => {
        await tx.setTransaction({ accessMode: 'read only', isolationLevel: 'repeatable read' })
        return state(tx)
      })
      expect(seen).toEqual({ who: 'nrt', isStandby: true, isolation: 'repeatable read', readOnly: 'on' })
    })

    it('R3: savepoints undo their part only', async () => {
      await atHome.transaction(async (tx) => {
        await add(tx, 'outer')
        await tx.transaction((nested) => add(nested, 'kept'))
        await errorOf(
          tx.transaction(async (nested) => {
            await add(nested, 'undone')
            expect(await who(nested)).toBe('primary')
            nested.rollback()
          }),
        )
        // A transaction that a failed statement broke goes on after its savepoint.
        await errorOf(tx.transaction(async (nested) => await nested.execute(sql`select 1 / 0`)))
        expect(await who(tx)).toBe('primary')
      })
      expect(await Promise.all(['outer', 'kept', 'undone'].map((body) => world.notes(body)))).toEqual([1, 1, 0])
    })

    it('R3: savepoints come before the first statement, too', async () => {
      await atHome.transaction((tx) => tx.transaction((nested) => add(nested, 'at once')))
      expect(await world.notes('at once')).toBe(1)
      const error = await inRequest(away, () =>
        errorOf(abroad.transaction((tx) => tx.transaction((nested) => add(nested, 'at once, away')))),
      )
      expect(findReplay(error)).toBeDefined()
    })

    it('rollback leaves nothing and gives the connection back', async () => {
      await errorOf(
        atHome.transaction(async (tx) => {
          await add(tx, 'rolled back')
          tx.rollback()
        }),
      )
      expect(await world.notes('rolled back')).toBe(0)
      expect(home.idleCount).toBe(home.totalCount)
    })
  })

  describe(`${name}: errors`, () => {
    it('a database error surfaces as Drizzle gives it, with pg’s own as its cause', async () => {
      const error = await errorOf(atHome.insert(tables.author).values({ name: 'ada' }))
      expect(error).toBeInstanceOf(DrizzleQueryError)
      const { cause } = error as Error
      expect(cause).toBeInstanceOf(pg.DatabaseError)
      expect(cause).toMatchObject({ code: '23505', table: 'author', constraint: 'author_name_key' })
      expect(findReplay(error)).toBeUndefined()
    })

    it('P3: a swallowed replay spends the request', async () => {
      await inRequest(away, async () => {
        await errorOf(add(abroad, 'swallowed'))
        const { replay } = currentScope() ?? {}
        expect(replay).toBeInstanceOf(ReplayToPrimary)
        expect(findReplay(await errorOf(who(abroad)))).toBe(replay)
        expect(findReplay(await errorOf(abroad.transaction(who, { accessMode: 'read only' })))).toBe(replay)
      })
      expect(await world.notes('swallowed')).toBe(0)
    })
  })

  describe(`${name}: what went wrong in others`, () => {
    it('#1834, #3951, #4039: no method of the database is lost', async () => {
      for (const method of ['$with', 'with', '$count', 'selectDistinctOn', 'refreshMaterializedView'] as const) {
        expect(typeof atHome[method]).toBe('function')
      }
      expect(await atHome.$count(note)).toBeGreaterThan(0)
    })

    it('#6161, #6198: $with keeps its second argument', async () => {
      const cte = atHome.$with('cte', { who: server.who }).as(sql`select who from server`)
      expect(await atHome.with(cte).select({ who: cte.who }).from(cte)).toEqual([{ who: 'nrt' }])
    })

    it('#4185: a CTE that writes reaches the database once, through the primary', async () => {
      const cte = atHome.$with('cte').as(atHome.insert(note).values({ body: '#4185' }).returning())
      expect(await atHome.with(cte).select({ body: cte.body }).from(cte)).toEqual([{ body: '#4185' }])
      expect(await world.notes('#4185')).toBe(1)
    })

    it('#6234, better-auth #5887: a read in a transaction sees what the transaction wrote', async () => {
      await atHome.transaction(async (tx) => {
        await add(tx, '#6234')
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
        atHome.transaction(async (tx) => {
          await add(tx, 'beside')
          expect(await who(atHome)).toBe('primary')
        }),
      )
    })

    it('one scope reads from one replica, every time', async () => {
      const seen = await inJob(() => Promise.all(Array.from({ length: 10 }, () => who(atHome))))
      expect(new Set(seen)).toEqual(new Set(['nrt']))
    })
  })

  describe(`${name}: cache`, () => {
    it('a cached read after a write in the same scope is the new row, from the primary', async () => {
      const cache = new MemoryCache()
      const db = version.open(world.pool('ams'), cache)
      const read = () => db.select({ body: note.body }).from(note).where(eq(note.body, 'cached')).$withCache()
      await world.replica.pauseReplay()
      try {
        await inJob(async () => {
          expect(await read()).toEqual([])
          expect(await read()).toEqual([])
          expect(cache.hits).toBe(1)
          await add(db, 'cached')
          expect(await read()).toEqual([{ body: 'cached' }])
          expect(await read()).toEqual([{ body: 'cached' }])
          expect(cache.hits).toBe(2)
        })
      } finally {
        await world.replica.resumeReplay()
        await world.cluster.waitUntilCaughtUp()
      }
    })
  })

  describe(`${name}: read-only handle`, () => {
    it('R6: reads next door, after a write too, also with a transaction of its own', async () => {
      const reader = readonly(atHome)
      await inJob(async () => {
        await add(atHome, 'reader')
        expect(await who(atHome)).toBe('primary')
        expect(await who(reader)).toBe('nrt')
        expect(await reader.$count(server, eq(server.isStandby, true))).toBe(1)
        expect((await reader.query.author.findFirst({ with: { notes: true } }))?.notes.length).toBeGreaterThan(0)
        const cte = reader.$with('cte').as(reader.select().from(server))
        expect(await reader.with(cte).select({ who: cte.who }).from(cte)).toEqual([{ who: 'nrt' }])
        const seen = await reader.transaction(
          async (tx) => {
            // What is beside it goes its own way.
            expect(await who(atHome)).toBe('primary')
            await tx.transaction(async (nested) => expect(await who(nested)).toBe('nrt'))
            return (await tx.select().from(server))[0]
          },
          { isolationLevel: 'repeatable read' },
        )
        expect(seen).toEqual({ who: 'nrt', isStandby: true, isolation: 'repeatable read', readOnly: 'on' })
      })
      expect(home.idleCount).toBe(home.totalCount)
    })

    it('R6: without a replica it reads at the primary, where its transactions are READ ONLY too', async () => {
      const alone = readonly(version.open(world.pool('ams', { replicas: [] })))
      expect(await who(alone)).toBe('primary')
      const seen = await alone.transaction(async (tx) => (await tx.select().from(server))[0])
      expect(seen).toMatchObject({ who: 'primary', readOnly: 'on' })
      const error = await errorOf(
        alone.transaction(async (tx) => await tx.select({ id: sql`write_note('alone')` }).from(server)),
      )
      expect((error as Error).cause).toMatchObject({ code: '25006' })
      expect(await world.notes('alone')).toBe(0)
    })

    it('R6: what needs the primary reaches no database through it', async () => {
      for (const [db, scoped] of [
        [atHome, inJob],
        [abroad, <Result>(fn: () => Promise<Result>) => inRequest(away, fn)],
      ] as const) {
        const reader = readonly(db)
        const cte = db.$with('cte').as(db.insert(note).values({ body: 'through it' }).returning())
        const refused = [
          () => reader.select().from(note).for('update'),
          () => reader.with(cte).select().from(cte),
          () => reader.select({ next: sql`nextval('ticket')` }).from(server),
          () => reader.transaction(async (tx) => await tx.select().from(note).for('update')),
          () => (reader as unknown as Database).insert(note).values({ body: 'through it' }),
        ]
        for (const query of refused) {
          const error = await scoped(() => errorOf(query()))
          expect((error as Error).cause).toBeInstanceOf(WriteOnReplica)
        }
      }
      expect(await world.notes('through it')).toBe(0)
    })

    it('is made of a database of this package, only', async () => {
      await atHome.transaction(async (tx) => {
        expect(() => Reflect.apply(readonly, undefined, [tx])).toThrow(/drizzle\(\) of @headwater\/drizzle/)
      })
    })
  })

  describe(`${name}: migrations`, () => {
    it('run on the primary, what they read included: a replica that is behind makes none run twice', async () => {
      await world.replica.pauseReplay()
      try {
        const first = 'create table migrated (id int)'
        const second = "insert into note (body) values ('migrated')"
        await version.migrate(atHome, [first])
        // On the replica, neither the schema nor the table of migrations is there yet.
        await version.migrate(atHome, [first])
        await version.migrate(atHome, [first, second])
        await version.migrate(atHome, [first, second])
        expect(await world.notes('migrated')).toBe(1)
      } finally {
        await world.replica.resumeReplay()
        await world.cluster.waitUntilCaughtUp()
      }
      // Now the replica has it all but what the next one adds.
      await world.replica.pauseReplay()
      try {
        const third = "insert into note (body) values ('migrated again')"
        const all = ['create table migrated (id int)', "insert into note (body) values ('migrated')", third]
        await version.migrate(atHome, all)
        await version.migrate(atHome, all)
        expect(await world.notes('migrated again')).toBe(1)
      } finally {
        await world.replica.resumeReplay()
        await world.cluster.waitUntilCaughtUp()
      }
    })

    it('P6: run from away, over the wide network', async () => {
      const all = [
        'create table migrated (id int)',
        "insert into note (body) values ('migrated')",
        "insert into note (body) values ('migrated again')",
        "insert into note (body) values ('migrated from away')",
      ]
      await version.migrate(abroad, all)
      await version.migrate(abroad, all)
      expect(await world.notes('migrated from away')).toBe(1)
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
