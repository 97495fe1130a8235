import { WriteOnReplica } from '@headwater/core'
import { errorOf, inJob, inRequest } from '@headwater/test-world'
import { describe, expect, it } from 'vitest'
import { readonly } from '../src/index.ts'
import type { Stage } from './stage.ts'
import type { Database } from './version.ts'

/** The read-only handle. */
export function readOnlyHandle(stage: Stage): void {
  const { name, version } = stage
  const { sql, eq } = version.orm
  const { note, server } = version.tables

  describe(`${name}: read-only handle`, () => {
    it('R6: reads on the local replica, after a write too, also with a transaction of its own', async () => {
      const reader = readonly(stage.atHome)
      await inRequest(stage.home, async () => {
        await stage.add(stage.atHome, 'reader')
        expect(await stage.who(stage.atHome)).toBe('primary')
        expect(await stage.who(reader)).toBe('nrt')
        expect(await reader.$count(server, eq(server.isStandby, true))).toBe(1)
        expect((await reader.query.author.findFirst({ with: { notes: true } }))?.notes.length).toBeGreaterThan(0)
        const cte = reader.$with('cte').as(reader.select().from(server))
        expect(await reader.with(cte).select({ who: cte.who }).from(cte)).toEqual([{ who: 'nrt' }])
        const seen = await reader.transaction(
          async (tx) => {
            // What is beside it goes its own way.
            expect(await stage.who(stage.atHome)).toBe('primary')
            await tx.transaction(async (nested) => expect(await stage.who(nested)).toBe('nrt'))
            return (await tx.select().from(server))[0]
          },
          { isolationLevel: 'repeatable read' },
        )
        expect(seen).toEqual({ who: 'nrt', isStandby: true, isolation: 'repeatable read', readOnly: 'on' })
      })
      expect(stage.home.idleCount).toBe(stage.home.totalCount)
    })

    it('R6: without a replica it reads at the primary, where its transactions are READ ONLY too', async () => {
      const alone = readonly(version.open(stage.world.pool('ams', { replicas: [] })))
      expect(await stage.who(alone)).toBe('primary')
      const seen = await alone.transaction(async (tx) => (await tx.select().from(server))[0])
      expect(seen).toMatchObject({ who: 'primary', readOnly: 'on' })
      const error = await errorOf(
        alone.transaction(async (tx) => await tx.select({ id: sql`write_note('alone')` }).from(server)),
      )
      expect((error as Error).cause).toMatchObject({ code: '25006' })
      expect(await stage.world.notes('alone')).toBe(0)
    })

    it('R6: what needs the primary reaches no database through it', async () => {
      for (const [db, scoped] of [
        [stage.atHome, inJob],
        [stage.abroad, <Result>(fn: () => Promise<Result>) => inRequest(stage.away, fn)],
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
      expect(await stage.world.notes('through it')).toBe(0)
    })

    it('is made only of a database of this package', async () => {
      await stage.atHome.transaction(async (tx) => {
        expect(() => Reflect.apply(readonly, undefined, [tx])).toThrow(/drizzle\(\) of @headwater\/drizzle/)
      })
    })
  })
}
