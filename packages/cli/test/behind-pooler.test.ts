import { createKnowledge } from '@headwater/core/internal'
import { describe, expect, it } from 'vitest'
import { explain } from '../src/explain.ts'

const knowledge = createKnowledge({})
const behind = (sql: string, kind: 'none' | 'session' | 'transaction' | 'statement') =>
  explain(sql, knowledge, kind).pooler

/** Each leaves something in its session, and the word that shows it. */
const NEEDS_SESSION = [
  ['listen news', 'LISTEN'],
  ["set application_name = 'other'", 'SET'],
  ['create temp table pile (a int)', 'TEMP'],
  ['select 1 as a into temp heap', 'TEMP'],
  ['select pg_advisory_lock(7)', 'PG_ADVISORY_LOCK'],
  ['prepare p as select 1', 'PREPARE'],
  ['declare c cursor with hold for select 1', 'DECLARE'],
  ["select set_config('app.tenant', '7', false)", 'SET_CONFIG'],
] as const

describe.each(['transaction', 'statement'] as const)('behind a pooler in %s mode', (kind) => {
  it.each(NEEDS_SESSION)('B2: %s goes to the direct URL, or is refused', (sql, word) => {
    const text = behind(sql, kind)
    expect(text).toMatch(new RegExp(`^${word}\\b.* needs a session of its own: it goes to the direct URL`))
    expect(text).toContain('Without one it is refused with SessionUnavailable.')
  })

  it('B1: a proven read and a write go through the pooler, under no name', () => {
    for (const sql of ['select 1', "insert into note (body) values ('a')"]) {
      const text = behind(sql, kind)
      expect(text).toMatch(
        /^It needs no session of its own: it goes through the pooler\. Under a name .* is sent without/,
      )
      expect(text).not.toContain('BEGIN READ ONLY')
    }
  })

  it('X1: what nobody can see into is tried in a read-only transaction, several statements are not', () => {
    expect(behind('select f()', kind)).toMatch(
      /Where it is tried on a replica, that is in BEGIN READ ONLY … COMMIT, in one round trip\.$/,
    )
    expect(behind('select f(); select g()', kind)).toMatch(/Several statements in one text are not tried/)
  })

  it('B2: a change of the schema is better off at the direct URL, and currval() needs it outside a transaction', () => {
    expect(behind('alter table a add b int', kind)).toMatch(/goes to the direct URL where there is one .*else through/)
    expect(behind('select currval($1)', kind)).toMatch(/^Inside a transaction .* Outside one CURRVAL needs/)
  })
})

it.each(['begin', 'commit', "set local work_mem = '1MB'"])('B2: in statement mode %s needs the direct URL', (sql) => {
  expect(behind(sql, 'statement')).toMatch(/^The pooler runs no transactions of several statements/)
  expect(behind(sql, 'transaction')).toMatch(/^It needs no session of its own/)
})

it.each(NEEDS_SESSION)('B2: where each connection has its session, %s goes by the URL', (sql) => {
  expect(behind(sql, 'none')).toMatch(/^Each connection has a session of its own/)
  expect(behind(sql, 'session')).toMatch(/it goes through the pooler, whatever it needs\.$/)
})

it('X1: in session mode too it is tried in a read-only transaction', () => {
  expect(behind('select f()', 'session')).toContain('BEGIN READ ONLY')
})
