import { findReplay, ReplayToPrimary } from '@headwater/core'
import { errorOf, inRequest } from '@headwater/test-world'
import { describe, expect, it } from 'vitest'
import type { Stage } from './stage.ts'
import type { Database } from './version.ts'

/** Transactions live on one server. */
export function transactions(stage: Stage): void {
  const { name, version } = stage
  const { sql } = version.orm
  const { server } = version.tables

  describe(`${name}: transactions`, () => {
    const state = async (tx: Pick<Database, 'select'>) => (await tx.select().from(server))[0]

    it('R3: READ ONLY runs on the replica, at home and away', async () => {
      for (const db of [stage.atHome, stage.abroad]) {
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
        expect(await stage.atHome.transaction(state, config)).toMatchObject({ who: 'primary', isolation, readOnly })
        let isEntered = false
        const run = async () => {
          isEntered = true
        }
        expect(
          findReplay(await inRequest(stage.away, () => errorOf(stage.abroad.transaction(run, config)))),
        ).toBeDefined()
        expect(isEntered).toBe(false)
      }
      expect(stage.away.waitingCount).toBe(0)
    })

    it('R3: away, a plain transaction reads on the local replica until it writes; then nothing of it is left', async () => {
      await inRequest(stage.away, async () => {
        expect(await stage.abroad.transaction(stage.who)).toBe('nrt')
        const error = await errorOf(
          stage.abroad.transaction(async (tx) => {
            expect(await stage.who(tx)).toBe('nrt')
            await stage.add(tx, 'R3 away')
          }),
        )
        expect(findReplay(error)).toBeInstanceOf(ReplayToPrimary)
        // P3: the scope is spent.
        expect(findReplay(await errorOf(stage.who(stage.abroad)))).toEqual(findReplay(error))
      })
      expect(await stage.world.notes('R3 away')).toBe(0)
      expect(stage.away.idleCount).toBe(stage.away.totalCount)
    })

    it('P6: away, outside a request, a plain transaction runs on the primary', async () => {
      await stage.abroad.transaction(async (tx) => {
        expect(await stage.who(tx)).toBe('primary')
        await stage.add(tx, 'P6')
      })
      expect(await stage.world.notes('P6')).toBe(1)
    })

    it('R3: setTransaction before the first statement counts', async () => {
      const seen = await stage.atHome.transaction(async (tx) => {
        await tx.setTransaction({ accessMode: 'read only', isolationLevel: 'repeatable read' })
        return state(tx)
      })
      expect(seen).toEqual({ who: 'nrt', isStandby: true, isolation: 'repeatable read', readOnly: 'on' })
    })

    it('R3: savepoints undo their part only', async () => {
      await stage.atHome.transaction(async (tx) => {
        await stage.add(tx, 'outer')
        await tx.transaction((nested) => stage.add(nested, 'kept'))
        await errorOf(
          tx.transaction(async (nested) => {
            await stage.add(nested, 'undone')
            expect(await stage.who(nested)).toBe('primary')
            nested.rollback()
          }),
        )
        // A transaction that a failed statement broke goes on after its savepoint.
        await errorOf(tx.transaction(async (nested) => await nested.execute(sql`select 1 / 0`)))
        expect(await stage.who(tx)).toBe('primary')
      })
      expect(await Promise.all(['outer', 'kept', 'undone'].map((body) => stage.world.notes(body)))).toEqual([1, 1, 0])
    })

    it('R3: savepoints come before the first statement, too', async () => {
      await stage.atHome.transaction((tx) => tx.transaction((nested) => stage.add(nested, 'at once')))
      expect(await stage.world.notes('at once')).toBe(1)
      const error = await inRequest(stage.away, () =>
        errorOf(stage.abroad.transaction((tx) => tx.transaction((nested) => stage.add(nested, 'at once, away')))),
      )
      expect(findReplay(error)).toBeDefined()
    })

    it('rollback leaves nothing and gives the connection back', async () => {
      await errorOf(
        stage.atHome.transaction(async (tx) => {
          await stage.add(tx, 'rolled back')
          tx.rollback()
        }),
      )
      expect(await stage.world.notes('rolled back')).toBe(0)
      expect(stage.home.idleCount).toBe(stage.home.totalCount)
    })
  })
}
