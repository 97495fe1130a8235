import { describe, expect, it } from 'vitest'
import type { Stage } from './stage.ts'

/** Migrations. */
export function migrations(stage: Stage): void {
  const { name, version } = stage

  describe(`${name}: migrations`, () => {
    it('run on the primary, including their reads: a replica that is behind makes none run twice', async () => {
      await stage.world.replica().pauseReplay()
      try {
        const first = 'create table migrated (id int)'
        const second = "insert into note (body) values ('migrated')"
        await version.migrate(stage.atHome, [first])
        // On the replica, neither the schema nor the table of migrations is there yet.
        await version.migrate(stage.atHome, [first])
        await version.migrate(stage.atHome, [first, second])
        await version.migrate(stage.atHome, [first, second])
        expect(await stage.world.notes('migrated')).toBe(1)
      } finally {
        await stage.world.replica().resumeReplay()
        await stage.world.cluster.waitUntilCaughtUp()
      }
      // Now the replica has it all but what the next one adds.
      await stage.world.replica().pauseReplay()
      try {
        const third = "insert into note (body) values ('migrated again')"
        const all = ['create table migrated (id int)', "insert into note (body) values ('migrated')", third]
        await version.migrate(stage.atHome, all)
        await version.migrate(stage.atHome, all)
        expect(await stage.world.notes('migrated again')).toBe(1)
      } finally {
        await stage.world.replica().resumeReplay()
        await stage.world.cluster.waitUntilCaughtUp()
      }
    })

    it('P6: run from away, over the wide network', async () => {
      const all = [
        'create table migrated (id int)',
        "insert into note (body) values ('migrated')",
        "insert into note (body) values ('migrated again')",
        "insert into note (body) values ('migrated from away')",
      ]
      await version.migrate(stage.abroad, all)
      await version.migrate(stage.abroad, all)
      expect(await stage.world.notes('migrated from away')).toBe(1)
    })
  })
}
