import { describe, expect, it } from 'vitest'
import { classify } from '../src/internal.ts'

/** What people ask to learn which server answers, and how far it is. */
const QUESTIONS = [
  'select pg_is_in_recovery()',
  'SELECT pg_catalog.pg_is_in_recovery() AS standby, inet_server_addr(), inet_server_port()',
  'select pg_last_wal_replay_lsn(), pg_last_wal_receive_lsn(), pg_last_xact_replay_timestamp()',
  "select current_setting('in_hot_standby')",
  "select current_setting('transaction_read_only') from note",
  'show transaction_read_only',
  'SHOW in_hot_standby',
  'select pg_backend_pid(), pg_postmaster_start_time()',
  'select * from pg_stat_wal_receiver',
  'select count(*) from pg_stat_activity where pid <> pg_backend_pid()',
  'select pg_stat_get_db_numbackends(1)',
  'show in_hot_standby; select pg_is_in_recovery()',
]

/** The same beside something that a standby must not decide, before or behind it, and what acts on a server. */
const MORE = [
  "select pg_is_in_recovery(), nextval('s')",
  "select nextval('s'), pg_is_in_recovery()",
  'select pg_is_in_recovery() from pg_advisory_lock(1)',
  'set work_mem = 1; select pg_is_in_recovery()',
  'select pg_is_in_recovery(); listen news',
  'show in_hot_standby; set role app',
  'select pg_is_in_recovery(), pg_promote()',
  'select pg_terminate_backend(pg_backend_pid())',
  'select pg_stat_reset()',
  'select pg_reload_conf()',
  "insert into note (body) select current_setting('in_hot_standby')",
  'select pg_is_in_recovery() from note for update',
  'create temp table t as select pg_is_in_recovery()',
  'select pg_is_in_recovery(), set_config($1, $2, false)',
  '/* headwater:primary */ select pg_is_in_recovery()',
  'select 1',
  'show work_mem',
]

describe('R6: a question to a server about itself', () => {
  it.each(QUESTIONS)('is known as one: %s', (sql) => {
    const { isNodeQuestion, reason, access } = classify(sql)
    expect({ isNodeQuestion, reason }).toEqual({ isNodeQuestion: true, reason: 'node-local' })
    expect(['session', 'write']).toContain(access)
  })

  it.each(MORE)('is not all of: %s', (sql) => {
    expect(classify(sql).isNodeQuestion).toBe(false)
  })

  it('leaves what nobody can see into unknown', () => {
    expect(classify('select pg_is_in_recovery(), audit()')).toMatchObject({
      isNodeQuestion: true,
      functions: ['audit'],
    })
  })
})
