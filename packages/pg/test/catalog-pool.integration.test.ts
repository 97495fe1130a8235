import type { ReplayToPrimary } from '@headwater/core'
import { inRequest, World } from '@headwater/test-world'
import { afterAll, beforeAll, expect, it } from 'vitest'

let world: World

beforeAll(async () => {
  world = await World.start({
    schema: `
    create function write_deeply(text) returns int language plpgsql as 'begin return write_note($1); end';
    create function swallow_note(text) returns text language plpgsql as $$ begin
      perform write_note($1); return 'kept'; exception when others then return 'lost'; end $$;
    create view where_am_i as select pg_is_in_recovery() as is_standby, count_notes() as notes;
  `,
  })
})

afterAll(async () => {
  await world?.[Symbol.asyncDispose]()
})

it('R1, P1: with the catalog, a function that writes is replayed before it is sent, and none swallows a refusal', async () => {
  const pool = world.pool('nrt', { functions: {} })
  const call = (text: string) => inRequest(pool, () => pool.query(text))
  // The pool's first statement: what the function does is not known yet, so no standby is asked.
  await expect(call("select swallow_note('x') as outcome")).rejects.toMatchObject({
    name: 'ReplayToPrimary',
    reason: 'unknown',
  })
  for (const text of ["select write_deeply('x')", "select swallow_note('x') as outcome"]) {
    await expect
      .poll(() =>
        call(text).then(
          () => 'sent',
          ({ name, reason }: ReplayToPrimary) => `${name}: ${reason}`,
        ),
      )
      .toBe('ReplayToPrimary: write')
  }
  expect(await world.notes('x')).toBe(0)
})

it('R1: at home, a function that only reads is answered by a replica once the catalog is known', async () => {
  const pool = world.pool('ams', { functions: { where_am_i: 'read' } })
  const { rows } = await pool.query('select is_standby, count_notes() from where_am_i')
  expect(rows[0]).toMatchObject({ is_standby: false })
  await expect
    .poll(async () => (await pool.query('select is_standby, count_notes() from where_am_i')).rows[0])
    .toMatchObject({ is_standby: true })
})

it('R1: without a catalog no function is tried on a standby, except those that the app calls unknown', async () => {
  const pool = world.pool('nrt', { catalog: false, functions: { write_deeply: 'unknown' } })
  const call = (text: string) => inRequest(pool, () => pool.query(text))
  // A standby would answer `lost`, and nobody would hear of it.
  for (const text of ["select swallow_note('y')", "select write_deeply('y'), swallow_note('y')"]) {
    await expect(call(text)).rejects.toMatchObject({ name: 'ReplayToPrimary', reason: 'unknown' })
  }
  await expect(call("select write_deeply('y')")).rejects.toMatchObject({
    name: 'ReplayToPrimary',
    reason: 'refused',
    cause: { code: '25006' },
  })
  expect(await world.notes('y')).toBe(0)
})

it('overrides of the app hold with and without a catalog', async () => {
  for (const catalog of [true, false]) {
    const pool = world.pool('nrt', { catalog, functions: { count_notes: 'write' } })
    const counting = inRequest(pool, () => pool.query('select count_notes()'))
    await expect(counting).rejects.toMatchObject({ name: 'ReplayToPrimary', reason: 'write' })
  }
})

it('X5: end() while the catalog is being read leaves no session behind', async () => {
  const pool = world.pool('nrt', { application_name: 'catalog_reader' })
  await pool.query('select 1')
  await pool.end()
  await expect
    .poll(async () => {
      const [replica] = world.cluster.replicas
      return replica?.query("select from pg_stat_activity where application_name = 'catalog_reader'")
    })
    .toEqual([])
})
