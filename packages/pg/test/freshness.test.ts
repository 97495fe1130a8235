import { OptionsInvalid } from '@headwater/core'
import { toLsn } from '@headwater/core/internal'
import { describe, expect, test } from 'vitest'
import { PrimaryHistory } from '../src/fleet/primary-history.ts'
import { resolveFreshness } from '../src/options/freshness-options.ts'
import { writtenTables } from '../src/reads/stale-read-detector.ts'
import { TablePolicy } from '../src/reads/table-policy.ts'

const at = (lsn: bigint, sentAt: number) => ({ cluster: 7n, timeline: 1, lsn: toLsn(lsn), sentAt })

describe('F6: how far a replica is behind', () => {
  const history = new PrimaryHistory()
  for (const sample of [at(100n, 1000), at(100n, 2000), at(150n, 3000), at(200n, 4000), at(200n, 5000)])
    history.add(sample)

  test('is the age of the newest sample that it has caught up with', () => {
    expect(history.lagOf(at(200n, 0), 5100)).toEqual({ millis: 100, bytes: 0 })
    expect(history.lagOf(at(199n, 0), 5100)).toEqual({ millis: 2100, bytes: 1 })
    expect(history.lagOf(at(120n, 0), 5100)).toEqual({ millis: 3100, bytes: 80 })
    // Ahead of what the primary was heard to say.
    expect(history.lagOf(at(300n, 0), 5100)).toEqual({ millis: 100, bytes: 0 })
  })

  test('is infinite before all samples, on another timeline, and without any sample', () => {
    expect(history.lagOf(at(99n, 0), 5100)).toEqual({ millis: Number.POSITIVE_INFINITY, bytes: 101 })
    const nothing = { millis: Number.POSITIVE_INFINITY, bytes: Number.POSITIVE_INFINITY }
    expect(history.lagOf({ ...at(200n, 0), timeline: 2 }, 5100)).toEqual(nothing)
    expect(history.lagOf({ ...at(200n, 0), cluster: 8n }, 5100)).toEqual(nothing)
    expect(new PrimaryHistory().lagOf(at(200n, 0), 5100)).toEqual(nothing)
  })

  test('is infinite when the primary was not asked for long, also by bytes', () => {
    const rested = new PrimaryHistory()
    rested.add(at(100n, 1000))
    expect(rested.lagOf(at(100n, 0), 1500)).toEqual({ millis: 500, bytes: 0 })
    rested.forget()
    const nothing = { millis: Number.POSITIVE_INFINITY, bytes: Number.POSITIVE_INFINITY }
    expect(rested.lagOf(at(100n, 0), 1500)).toEqual(nothing)
  })

  test('forgets its samples when the primary has gone back or changed its timeline', () => {
    const changed = new PrimaryHistory()
    changed.add(at(100n, 1000))
    changed.add({ ...at(90n, 2000), timeline: 2 })
    expect(changed.lagOf(at(100n, 0), 2500).millis).toBe(Number.POSITIVE_INFINITY)
    expect(changed.lagOf({ ...at(90n, 0), timeline: 2 }, 2500)).toEqual({ millis: 500, bytes: 0 })
  })
})

describe('a table that is read at the primary', () => {
  const policy = new TablePolicy(['sessions', 'audit.log', 'odd.name*'])

  test.each([
    'select * from sessions',
    'SELECT * FROM "Public".SESSIONS s',
    'select 1 from x join sessions using (id)',
    'table log',
    'select * from other.log',
    'select * from "name*"',
  ])('is seen in %s', (text) => expect(policy.mayRead(text)).toBe(true))

  test.each([
    'select * from session',
    'select * from my_sessions',
    'select log_id from logs',
    'select 1',
    'select name',
  ])('is not in %s', (text) => expect(policy.mayRead(text)).toBe(false))

  test('is none without names', () => {
    expect(new TablePolicy([]).mayRead('select * from sessions')).toBe(false)
    expect(policy.mayRead(undefined)).toBe(false)
  })
})

describe('what a text writes', () => {
  test.each([
    ["insert into note (body) values ('update other')", ['note']],
    ['INSERT INTO "My Notes" values (1)', ['My Notes']],
    ['update only app.Note set body = 1', ['note']],
    ['with a as (delete from x returning *) insert into "a""b".y select * from a', ['x', 'y']],
    ['merge into stock using sold on true when matched then delete', ['stock']],
    ['truncate table note', ['note']],
    ['select 1', []],
  ])('%s', (text, tables) => expect(writtenTables(text)).toEqual(expect.arrayContaining(tables)))
})

describe('options about freshness', () => {
  test('are checked, and say what was expected', () => {
    for (const [options, option] of [
      [{ maxWaitMillis: -1 }, 'maxWaitMillis'],
      [{ maxLag: {} }, 'maxLag'],
      [{ maxLag: { millis: 0 } }, 'maxLag.millis'],
      [{ maxLag: { bytes: Number.NaN } }, 'maxLag.bytes'],
      [{ primaryTables: 'sessions' as unknown as [] }, 'primaryTables'],
      [{ onPrimaryUnreachable: 'fresh' as 'fail' }, 'onPrimaryUnreachable'],
      [{ replicasComplete: 1 as unknown as boolean }, 'replicasComplete'],
    ] as const) {
      expect(() => resolveFreshness(options, false)).toThrow(OptionsInvalid)
      expect(() => resolveFreshness(options, false)).toThrow(option)
    }
    expect(resolveFreshness({}, true)).toMatchObject({
      maxWaitMillis: undefined,
      maxLag: undefined,
      onPrimaryUnreachable: 'fail',
      warnOnStaleReads: true,
    })
  })
})
