import { runInScope, Scope, WriteOnReplica, withPrimary, withReplica } from '@headwater/core'
import { errorOf, inJob, untilHome, type World } from '@headwater/test-world'
import { CamelCasePlugin, CompiledQuery, Kysely, sql } from 'kysely'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { HeadwaterDialect, readonlyKysely } from '../src/index.ts'
import { STATEMENTS } from './statements.ts'
import { type App, type Database, SETTINGS, startApp, startWorld } from './world.ts'

/** What the two versions of Kysely do differently. */
export interface Capabilities {
  /** Whether a COMMIT that the server answered with ROLLBACK is an error (0.29). */
  readonly hasAbortedTransactionError: boolean
}

const who = async (db: Pick<Kysely<Database>, 'selectFrom'>): Promise<string> =>
  (await db.selectFrom('server').select('who').executeTakeFirstOrThrow()).who

const nameOf = (error: unknown): string => (error instanceof Error ? error.name : String(error))

const insert = (db: Kysely<Database>, body: string) => db.insertInto('note').values({ body }).execute()

/** The same promises for every Kysely; `kysely` is the version that the calling file resolves it to. */
export function describeConformance(version: string, { hasAbortedTransactionError }: Capabilities): void {
  let world: World
  beforeAll(async () => {
    world = await startWorld()
  })
  afterAll(() => world[Symbol.asyncDispose]())

  it(`R1: kysely ${version}: a view made by the schema builder is a read only once the functions in it are known to read`, async () => {
    await world.admin.query(`create or replace function swallow() returns text language plpgsql as $$ begin
      insert into note (body) values ('swallowed ${version}'); return 'kept'; exception when others then return 'lost'; end $$`)
    await world.change("create or replace view quiet as select 'old' as outcome")
    const pool = world.pool('ams', { functions: {} })
    const db = new Kysely<Database & { quiet: { outcome: string } }>({ dialect: new HeadwaterDialect({ pool }) })
    const readNextDoor = async () =>
      (await sql<{ who: string }>`select who, count_notes() from server, quiet`.execute(db)).rows[0]?.who
    await expect.poll(readNextDoor, { timeout: 5000 }).toBe('nrt')
    await db.schema
      .createView('quiet')
      .orReplace()
      .as(sql<never>`select swallow() as outcome` as never)
      .execute()
    await world.cluster.waitUntilCaughtUp()
    expect(await db.selectFrom('quiet').select('outcome').execute()).toEqual([{ outcome: 'kept' }])
    expect(await world.notes(`swallowed ${version}`)).toBe(1)
  })

  describe.each(SETTINGS)(`kysely ${version}, $setting`, (setting) => {
    let app: App
    let db: Kysely<Database>
    beforeAll(async () => {
      app = await startApp(world, setting)
      db = app.db
    })
    beforeEach(() => untilHome(app.pool))

    const expected = { read: 'nrt', write: setting.write, unknown: setting.unknown }
    const isReplayed = setting.write === 'replay'

    // Some change the schema: behind that, the pool reads at the primary until it has read the catalog again.
    let builder: App
    beforeAll(async () => {
      builder = await startApp(world, setting)
    })
    it.each(STATEMENTS)('R1: $name ($belongs)', async ({ belongs, who: ask }) => {
      await untilHome(builder.pool)
      const answer = await builder.run(() => ask(builder.db))
      const servers = answer === 'replay' ? answer : [...new Set(answer.map((row) => row.who))]
      expect(servers).toEqual(expected[belongs] === 'replay' ? 'replay' : [expected[belongs]])
    })

    it('plugins: a query that one renames is renamed, and routed', async () => {
      const camel = app.db.withPlugin(new CamelCasePlugin())
      const rows = await app.run(() =>
        camel.selectFrom('server').select('who').select(sql<boolean>`is_standby`.as('isStandby')).execute(),
      )
      expect(rows).toEqual([{ who: 'nrt', isStandby: true }])
    })

    it('withSchema: reads and writes name the schema', async () => {
      const other = db.withSchema('other')
      expect(await app.run(() => other.selectFrom('note').select('body').executeTakeFirst())).toEqual({
        body: 'elsewhere',
      })
      const before = await world.notes('in other')
      const result = await app.run(() => insert(other, 'in other'))
      expect(result === 'replay').toBe(isReplayed)
      expect(await world.notes('in other')).toBe(before)
    })

    it('numbers of affected rows are Kysely’s own', async () => {
      const result = await app.run(() =>
        db
          .insertInto('note')
          .values([{ body: 'a' }, { body: 'b' }])
          .executeTakeFirst(),
      )
      if (isReplayed) expect(result).toBe('replay')
      else expect(result).toMatchObject({ numInsertedOrUpdatedRows: 2n })
      const updated = await app.run(() =>
        db.updateTable('note').set({ body: 'c' }).where('id', '=', -1).executeTakeFirst(),
      )
      if (!isReplayed) expect(updated).toMatchObject({ numUpdatedRows: 0n })
    })

    describe('stream()', () => {
      it('streams from the replica, in chunks, and may end early', async () => {
        const seen: unknown[] = []
        await app.run(async () => {
          const query = db.selectFrom(sql<{ n: number }>`generate_series(1, 10)`.as<'n'>('n')).select('n')
          for await (const row of query.stream(3)) seen.push(row)
          for await (const row of db.selectFrom('server').select('who').stream()) seen.push(row)
          for await (const row of query.stream(2)) {
            seen.push(row)
            break
          }
        })
        expect(seen).toHaveLength(12)
        expect(seen[10]).toEqual({ who: 'nrt' })
        await expect.poll(() => app.pool.totalCount - app.pool.idleCount).toBe(0)
      })

      it('a write is streamed from the primary, or replayed', async () => {
        const seen: unknown[] = []
        const result = await app.run(async () => {
          const query = db
            .insertInto('note')
            .values({ body: 'streamed' })
            .returning(sql<string>`(select who from server)`.as('who'))
          for await (const row of query.stream()) seen.push(row)
        })
        expect(result === 'replay').toBe(isReplayed)
        expect(seen).toEqual(isReplayed ? [] : [{ who: 'primary' }])
      })

      it('a refusal while streaming becomes the replay; a database error stays as it is', async () => {
        const drain = async (query: { stream(): AsyncIterableIterator<unknown> }) => {
          for await (const _ of query.stream());
        }
        const writes = db.selectNoFrom(sql<number>`write_note('stream refused')`.as('id'))
        const outcome = await app.run(() => drain(writes)).catch((error: unknown) => error)
        if (isReplayed) expect(outcome).toBe('replay')
        else if (setting.region === 'ams') expect(outcome).toBeUndefined()
        const error = await app.run(() => errorOf(drain(db.selectNoFrom(sql<number>`1 / 0`.as('n')))))
        expect(error).toBeInstanceOf(pg.DatabaseError)
        expect(error).toMatchObject({ code: '22012' })
        await untilHome(app.pool)
        expect(await app.run(() => who(db))).toBe('nrt')
      })
    })

    describe('transactions', () => {
      it('R3: a plain one stays on one node; away, in a request, that is a replica until it writes', async () => {
        const seen: string[] = []
        const result = await app.run(() =>
          db.transaction().execute(async (trx) => {
            seen.push(await who(trx))
            await insert(trx, `transaction ${version}`)
            seen.push(await who(trx))
          }),
        )
        expect(result === 'replay').toBe(isReplayed)
        expect(seen).toEqual(isReplayed ? ['nrt'] : ['primary', 'primary'])
      })

      it('R3: READ ONLY runs on the replica to its end', async () => {
        const seen = await app.run(() =>
          db
            .transaction()
            .setAccessMode('read only')
            .setIsolationLevel('repeatable read')
            .execute(async (trx) => {
              const session = trx.selectFrom('server').select(['who', 'isolation'])
              return [await session.executeTakeFirst(), await session.executeTakeFirst()]
            }),
        )
        const where = { who: 'nrt', isolation: 'repeatable read' }
        expect(seen).toEqual([where, where])
      })

      it.each(['serializable', 'read write'] as const)('R3: %s is never tried on a standby', async (mode) => {
        const builder =
          mode === 'serializable'
            ? db.transaction().setIsolationLevel('serializable')
            : db.transaction().setAccessMode('read write')
        const seen = await app.run(() => builder.execute((trx) => who(trx)))
        expect(seen).toBe(setting.write)
      })

      it('a throw rolls back, and is the same error', async () => {
        const mine = new Error('mine')
        const error = await app.run(() =>
          errorOf(
            db.transaction().execute(async (trx) => {
              if (!isReplayed) await insert(trx, 'rolled back')
              else await who(trx)
              throw mine
            }),
          ),
        )
        expect(error).toBe(mine)
        expect(await world.notes('rolled back')).toBe(0)
        await untilHome(app.pool)
        expect(await app.run(() => who(db))).toBe('nrt')
      })

      it('controlled, with savepoints (kysely-replication has none)', async () => {
        const body = `controlled ${version} ${setting.setting}`
        const result = await app.run(async () => {
          const trx = await db.startTransaction().execute()
          try {
            await who(trx)
            const first = await trx.savepoint('first').execute()
            await insert(first, body)
            const second = await first.savepoint('second').execute()
            await insert(second, body)
            await second.rollbackToSavepoint('second').execute()
            await second.releaseSavepoint('first').execute()
            const server = await who(trx)
            await trx.commit().execute()
            return server
          } catch (error) {
            await trx.rollback().execute()
            throw error
          }
        })
        expect(result).toBe(setting.write)
        expect(await world.notes(body)).toBe(isReplayed ? 0 : 1)
        await expect.poll(() => app.pool.totalCount - app.pool.idleCount).toBe(0)
      })

      it('R3: controlled ones take access modes and isolation levels, too', async () => {
        const seen = await app.run(async () => {
          const trx = await db
            .startTransaction()
            .setAccessMode('read only')
            .setIsolationLevel('repeatable read')
            .execute()
          const session = await trx.selectFrom('server').select(['who', 'isolation']).executeTakeFirst()
          await trx.commit().execute()
          return session
        })
        expect(seen).toEqual({ who: 'nrt', isolation: 'repeatable read' })
        const strict = await app.run(async () => {
          const trx = await db.startTransaction().setIsolationLevel('serializable').execute()
          try {
            return await who(trx)
          } finally {
            await trx.rollback().execute()
          }
        })
        expect(strict).toBe(setting.write)
        expect(app.pool.idleCount).toBe(app.pool.totalCount)
      })

      it('R3: a stream in one has its server and its snapshot', async () => {
        const body = `streamed in a transaction ${version} ${setting.setting}`
        const streamed = async (trx: Kysely<Database>) => {
          const rows: unknown[] = []
          const query = trx
            .selectFrom('note')
            .select(sql<string>`(select who from server)`.as('who'))
            .where('body', '=', body)
          for await (const row of query.stream(1)) rows.push(row)
          return rows
        }
        const result = await app.run(() =>
          db.transaction().execute(async (trx) => {
            await trx.insertInto('note').values([{ body }, { body }]).execute()
            return streamed(trx)
          }),
        )
        expect(result).toEqual(isReplayed ? 'replay' : [{ who: 'primary' }, { who: 'primary' }])
        await world.cluster.waitUntilCaughtUp()
        await untilHome(app.pool)
        const read = await app.run(() => db.transaction().setAccessMode('read only').execute(streamed))
        expect(read).toEqual(isReplayed ? [] : [{ who: 'nrt' }, { who: 'nrt' }])
      })

      it('a COMMIT of a failed one gives what this Kysely makes of it', async () => {
        const ended = app.run(() =>
          db
            .transaction()
            .setAccessMode('read only')
            .execute(async (trx) => {
              await errorOf(sql`select 1 / 0`.execute(trx))
            }),
        )
        if (hasAbortedTransactionError) expect(await errorOf(ended)).toMatchObject({ name: 'AbortedTransactionError' })
        else expect(await ended).toBeUndefined()
      })
    })

    it('kysely-replication: a connection() that has read on a replica can still write', async () => {
      const seen: string[] = []
      const result = await app.run(() =>
        db.connection().execute(async (connection) => {
          seen.push(await who(connection))
          await insert(connection, 'on a connection')
          seen.push(await who(connection))
        }),
      )
      expect(result === 'replay').toBe(isReplayed)
      expect(seen).toEqual(isReplayed ? ['nrt'] : ['nrt', 'primary'])
    })

    it('kysely-replication#17: withReplica and withPrimary need no index, and end where they end', async () => {
      expect(await app.run(() => withReplica(() => who(db)))).toBe('nrt')
      expect(await app.run(() => withPrimary(() => who(db)))).toBe(setting.write)
      expect(await app.run(() => who(db))).toBe('nrt')
    })

    it('R6: a write inside withReplica is refused before it is sent, in a CTE too', async () => {
      const writes: (() => Promise<unknown>)[] = [
        () => insert(db, 'R6'),
        () =>
          db
            .with('added', (creator) => creator.insertInto('note').values({ body: 'R6' }).returning('id'))
            .selectFrom('added')
            .selectAll()
            .execute(),
        () => sql`insert into note (body) values ('R6')`.execute(db),
        () => db.schema.dropTable('note').execute(),
      ]
      for (const write of writes) {
        expect(await app.run(() => errorOf(withReplica(write)))).toBeInstanceOf(WriteOnReplica)
      }
      expect(await world.notes('R6')).toBe(0)
    })

    describe('an operation node that shows more than the text', () => {
      /** An insert by its node; by its text a read that any server answers. */
      const disguised = () => ({
        ...db.insertInto('note').values({ body: 'disguised' }).compile(),
        sql: 'select who from server where $1::text is not null',
      })

      it('makes the route stricter', async () => {
        const result = await app.run(() => db.executeQuery(disguised()))
        expect(result === 'replay' ? result : result.rows).toEqual(isReplayed ? 'replay' : [{ who: 'primary' }])
      })

      it('makes the route of a transaction stricter, at its first statement', async () => {
        const result = await app.run(() => db.transaction().execute((trx) => trx.executeQuery(disguised())))
        expect(result === 'replay' ? result : result.rows).toEqual(isReplayed ? 'replay' : [{ who: 'primary' }])
      })

      it('R6: never forces a write out of withReplica', async () => {
        const error = await app.run(() => errorOf(withReplica(() => db.executeQuery(disguised()))))
        expect(error).toBeInstanceOf(WriteOnReplica)
      })

      it('R4: marks the scope', async () => {
        const scope = new Scope()
        await runInScope(scope, () => db.executeQuery(disguised()))
        expect(scope.hasWritten).toBe(true)
        expect(await runInScope(scope, () => who(db))).toBe('primary')
      })

      it('leaves EXPLAIN to the text', async () => {
        const query = db.insertInto('note').values({ body: 'explained' }).returning('id')
        const plans = await inJob(async () => {
          const [plan] = await query.explain('json')
          return [plan, await who(db)]
        })
        expect(plans).toEqual([{ 'QUERY PLAN': [expect.anything()] }, 'nrt'])
      })
    })

    describe('readonlyKysely()', () => {
      it('reads on the replica, also after a write; withSchema, CTEs, raw SQL, streams, connections, transactions too', async () => {
        const readonly = readonlyKysely(db)
        const seen = await app.run(async () => {
          if (!isReplayed) await insert(db, 'before')
          const rows = await sql<{ who: string }>`select who from server`.execute(readonly)
          const streamed: string[] = []
          for await (const row of readonly.selectFrom('server').select('who').stream()) streamed.push(row.who)
          const trx = await readonly.startTransaction().execute()
          const controlled = await who(trx)
          await trx.commit().execute()
          return [
            await who(readonly),
            await who(readonly.withSchema('public')),
            await who(readonly.with('seen', (creator) => creator.selectFrom('server').select('who'))),
            rows.rows[0]?.who,
            ...streamed,
            await readonly.connection().execute((connection) => who(connection)),
            await readonly.transaction().execute((inside) => who(inside)),
            controlled,
          ]
        })
        expect(seen).toEqual(Array.from({ length: 8 }, () => 'nrt'))
      })

      it('a write that a cast lets through is rejected; the original handle is unchanged', async () => {
        const forced = readonlyKysely(db) as unknown as Kysely<Database>
        const refused = await app.run(async () => [
          await errorOf(insert(forced, 'cast')),
          await errorOf(sql`insert into note (body) values ('cast')`.execute(forced)),
          await errorOf(forced.transaction().execute((trx) => insert(trx, 'cast'))),
          await errorOf(sql`select write_note('cast')`.execute(forced)),
        ])
        expect(refused).toEqual(Array.from({ length: 4 }, () => expect.any(WriteOnReplica)))
        expect(await world.notes('cast')).toBe(0)
        expect((await app.run(() => insert(db, 'not cast'))) === 'replay').toBe(isReplayed)
      })

      it('R6: it holds on every path: what another handle compiled, raw SQL, streams, plugins, transactions of all kinds', async () => {
        const forced = readonlyKysely(db) as unknown as Kysely<Database>
        const added = db.insertInto('note').values({ body: 'path' }).returning('id')
        const paths: Readonly<Record<string, (handle: Kysely<Database>) => Promise<unknown>>> = {
          'executeQuery of a compiled query': (handle) => handle.executeQuery(added.compile()),
          'executeQuery of a builder': (handle) => handle.executeQuery(added),
          'the executor': (handle) => handle.getExecutor().executeQuery(added.compile()),
          'CompiledQuery.raw': (handle) =>
            handle.executeQuery(CompiledQuery.raw("insert into note (body) values ('path')")),
          'raw SQL': (handle) => sql`insert into note (body) values ('path')`.execute(handle),
          withoutPlugins: (handle) => insert(handle.withoutPlugins(), 'path'),
          withPlugin: (handle) => insert(handle.withPlugin(new CamelCasePlugin()), 'path'),
          withSchema: (handle) => insert(handle.withSchema('public'), 'path'),
          'a writing CTE': (handle) =>
            handle
              .with('added', () => added)
              .selectFrom('added')
              .selectAll()
              .execute(),
          stream: async (handle) => {
            for await (const row of handle.insertInto('note').values({ body: 'path' }).returning('id').stream())
              return row
            return undefined
          },
          connection: (handle) => handle.connection().execute((connection) => insert(connection, 'path')),
          'a transaction after a read': (handle) =>
            handle.transaction().execute(async (trx) => {
              await who(trx)
              await insert(trx, 'path')
            }),
          'a READ WRITE transaction': (handle) =>
            handle
              .transaction()
              .setAccessMode('read write')
              .execute((trx) => sql`select write_note('path')`.execute(trx)),
          'a SERIALIZABLE transaction': (handle) =>
            handle
              .transaction()
              .setIsolationLevel('serializable')
              .execute((trx) => insert(trx, 'path')),
          'a controlled transaction': async (handle) => {
            const trx = await handle.startTransaction().execute()
            try {
              await who(trx)
              await insert(trx, 'path')
            } finally {
              await trx.rollback().execute()
            }
          },
        }
        const outcomes: Record<string, string> = {}
        for (const [name, path] of Object.entries(paths)) {
          const error = await app.run(() => errorOf(path(forced)))
          outcomes[name] = nameOf(error)
        }
        const expected = Object.fromEntries(Object.keys(paths).map((name) => [name, 'WriteOnReplica']))
        // No standby runs SERIALIZABLE: away from home its request goes to the primary, and there it is READ ONLY.
        if (isReplayed) expected['a SERIALIZABLE transaction'] = 'ReplayToPrimary'
        expect(outcomes).toEqual(expected)
        expect(await world.notes('path')).toBe(0)
      })

      it('R6: a query that it built is routed as any other when another handle runs it', async () => {
        const readonly = readonlyKysely(db)
        const query = readonly.selectFrom('server').select('who').compile()
        const seen = await app.run(() =>
          runInScope(new Scope(), async () => {
            if (isReplayed) return ['nrt', 'primary']
            await insert(db, 'behind a write')
            const own = await readonly.executeQuery(db.selectFrom('server').select('who'))
            const other = await db.executeQuery(query)
            return [own.rows[0]?.who, other.rows[0]?.who]
          }),
        )
        expect(seen).toEqual(['nrt', 'primary'])
      })

      it('R6: of a handle inside a transaction that writes it makes one that only reads there', async () => {
        const seen = await app.run(() =>
          db.transaction().execute(async (trx) => {
            if (!isReplayed) await insert(trx, `inner ${setting.setting}`)
            const inside = readonlyKysely(trx)
            const server = await who(inside)
            const refused = await errorOf(insert(inside as unknown as Kysely<Database>, 'refused'))
            return [
              server,
              nameOf(refused),
              (await trx.selectFrom('note').where('body', '=', `inner ${setting.setting}`).execute()).length > 0,
            ]
          }),
        )
        expect(seen).toEqual(isReplayed ? ['nrt', 'WriteOnReplica', false] : ['primary', 'WriteOnReplica', true])
        expect(await world.notes('refused')).toBe(0)
      })

      it('over another dialect it throws', () => {
        const own = db.getExecutor().adapter
        const foreign = {
          getExecutor: () => ({ adapter: Object.create(Object.getPrototypeOf(Object.getPrototypeOf(own))) }),
        }
        expect(() => readonlyKysely(foreign as unknown as Kysely<Database>)).toThrow(/option db: .*HeadwaterDialect/)
      })
    })

    it('a database error is the same object that the pool gave, with its fields and a stack that leads here', async () => {
      let logged: unknown
      const own = await startApp(
        world,
        setting,
        {},
        {
          log: (event) => {
            if (event.level === 'error') logged = event.error
          },
        },
      )
      const error = await own.run(() => errorOf(sql`select 1 / 0`.execute(own.db)))
      expect(error).toBeInstanceOf(pg.DatabaseError)
      expect(error).toMatchObject({ code: '22012', severity: 'ERROR', routine: 'int4div' })
      expect(error).toBe(logged)
      expect((error as Error).stack).toContain('conformance.ts')
    })

    it('introspection sees the tables', async () => {
      const tables = await app.run(() => db.introspection.getTables())
      expect(tables).toEqual(expect.arrayContaining([expect.objectContaining({ name: 'note', schema: 'other' })]))
    })
  })
}
