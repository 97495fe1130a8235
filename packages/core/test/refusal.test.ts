import { describe, expect, it } from 'vitest'
import { classifyRefusal, databaseErrorIn, isConnectionLoss, isNotRunning, isOutOfService } from '../src/internal.ts'

const databaseError = (code: string, routine = 'x', extra: object = {}) =>
  Object.assign(new Error('text in any language'), { severity: 'ERROR', code, routine, ...extra })

describe('refusal', () => {
  it.each([
    ['25006', 'PreventCommandIfReadOnly'],
    ['25006', 'PreventCommandDuringRecovery'],
    ['0A000', 'call_bool_check_hook'],
    ['0A000', 'call_enum_check_hook'],
    ['0A000', 'GetSerializableTransactionSnapshot'],
    ['0A000', 'get_relation_info'],
    ['55000', 'LockAcquireExtended'],
    ['55000', 'gin_clean_pending_list'],
    ['55000', 'brin_summarize_range'],
    ['55000', 'brin_desummarize_range'],
    ['55000', 'stats_lock_check_privileges'],
    ['55000', 'heap_force_common'],
    ['38000', 'throw_tcl_error'],
    ['XX000', 'GetNewObjectId'],
    ['XX000', 'GetNewTransactionId'],
    ['XX000', 'XLogBeginInsert'],
    ['XX000', 'XLogInsert'],
  ])('P2: %s by %s on a standby means that the primary is needed; from a primary it means nothing', (code, routine) => {
    expect(classifyRefusal(databaseError(code, routine), true)).toBe('refused')
    expect(classifyRefusal(databaseError(code, routine), false)).toBeUndefined()
  })

  it('P2: the WAL functions are recognised by their source file', () => {
    expect(classifyRefusal(databaseError('55000', 'pg_current_wal_lsn', { file: 'xlogfuncs.c' }), true)).toBe('refused')
    expect(
      classifyRefusal(databaseError('55000', 'pg_current_wal_lsn', { file: 'xlogfuncs.c' }), false),
    ).toBeUndefined()
    expect(classifyRefusal(databaseError('55000', 'currval_oid', { file: 'sequence.c' }), true)).toBeUndefined()
    expect(classifyRefusal(databaseError('22023', 'pg_current_wal_lsn', { file: 'xlogfuncs.c' }), true)).toBeUndefined()
    expect(classifyRefusal({ severity: 'ERROR', code: '55000' }, true)).toBeUndefined()
  })

  it('P2: a routine counts as refusing with its own code only', () => {
    expect(classifyRefusal(databaseError('55000', 'XLogInsert'), true)).toBeUndefined()
    expect(classifyRefusal(databaseError('XX000', 'LockAcquireExtended'), true)).toBeUndefined()
    expect(classifyRefusal({ severity: 'ERROR', code: 'XX000' }, true)).toBeUndefined()
  })

  it('P2: an unknown object may be DDL that the replica has not replayed', () => {
    for (const code of ['42P01', '42703', '42883', '42704', '3F000'])
      expect(classifyRefusal(databaseError(code), true)).toBe('unknown-object')
    expect(classifyRefusal(databaseError('42P01'), false)).toBeUndefined()
  })

  it('P2: other errors of a statement do not move it', () => {
    for (const code of ['23505', '22012', '42601', '57014', '0A000', 'XX000', '25P02'])
      expect(classifyRefusal(databaseError(code), true)).toBeUndefined()
  })

  it.each([
    '57P01', // admin_shutdown
    '57P02', // crash_shutdown
    '57P03', // cannot_connect_now
    '57P04', // database_dropped
    '57P05', // idle_session_timeout
    '25P03', // idle_in_transaction_session_timeout
    '25P04', // transaction_timeout
    '40001', // a recovery conflict
    '40P01', // a recovery conflict that looks like a deadlock
    '53300', // too_many_connections
    '08006', // connection_failure, and its class
    '08P01',
  ])('X2: %s means that the server is lost, primary or standby', (code) => {
    expect(classifyRefusal(databaseError(code), true)).toBe('replica-lost')
    expect(classifyRefusal(databaseError(code), false)).toBe('replica-lost')
  })

  it.each([
    // Recorded behind pgpool-II 4.3, before and behind its server's death.
    ['FATAL', 'unable to read data from DB node 0'],
    ['FATAL', 'failed to create a backend connection'],
    ['FATAL', 'failed to create a backend 0 connection'],
    ['ERROR', 'all backend nodes are down, pgpool requires at least one valid node'],
  ])('X2, X3: pgpool-II’s own %s "%s" means that the server is lost', (severity, message) => {
    const error = Object.assign(new Error(message), { severity, code: 'XX000', file: 'pool_stream.c' })
    const wrapped = new Error('Failed query', { cause: error })
    for (const each of [error, wrapped]) {
      expect(classifyRefusal(each, true)).toBe('replica-lost')
      expect(isOutOfService(each)).toBe(true)
      expect(isNotRunning(each)).toBe(true)
    }
    // A server's own internal error, and a pooler that does not know the login.
    const own = Object.assign(new Error(message), { severity, code: 'XX000', routine: 'elog_start' })
    const login = Object.assign(new Error('Tenant or user not found'), { severity: 'FATAL', code: 'XX000' })
    for (const other of [own, login, new Error(message)]) {
      expect(classifyRefusal(other, true)).toBeUndefined()
      expect(isOutOfService(other)).toBe(false)
      expect(isNotRunning(other)).toBe(false)
    }
  })

  it.each([
    '"trust" authentication failed',
    'password authentication failed',
    'no such user',
    'no such database: nodb',
    'SSL required',
  ])('X3: a login that PgBouncer refuses (08P01 %s) is no outage', (message) => {
    const error = Object.assign(new Error(message), { severity: 'FATAL', code: '08P01' })
    expect([isOutOfService(error), isNotRunning(error)]).toEqual([false, false])
    const outage = Object.assign(new Error('query_wait_timeout'), { severity: 'FATAL', code: '08P01' })
    expect([isOutOfService(outage), isNotRunning(outage)]).toEqual([true, true])
  })

  it.each([
    'ECONNREFUSED',
    'ECONNRESET',
    'EPIPE',
    'ETIMEDOUT',
    'EHOSTUNREACH',
    'ENETUNREACH',
    'ENOTFOUND',
    'EAI_AGAIN',
  ])('X2: %s means that the server is lost', (code) => {
    expect(classifyRefusal(Object.assign(new Error('connect'), { code }), true)).toBe('replica-lost')
    expect(isConnectionLoss(new Error('query failed', { cause: Object.assign(new Error('x'), { code }) }))).toBe(true)
  })

  it.each([
    'Connection terminated',
    'Connection terminated unexpectedly',
    'Client has encountered a connection error and is not queryable',
    'timeout expired',
  ])('X2: node-postgres says “%s” of a server that is lost', (message) => {
    expect(classifyRefusal(new Error(message), true)).toBe('replica-lost')
  })

  it('X2: an error of the statement, of the app, or of something else is not a lost server', () => {
    for (const code of ['23505', '57014', '80000']) expect(classifyRefusal(databaseError(code), true)).toBeUndefined()
    const others = [
      new Error('something else'),
      new Error('the Connection terminated'),
      Object.assign(new Error('Connection terminated'), { code: 'ENOENT' }),
      { message: 42 },
      'Connection terminated',
      undefined,
    ]
    for (const error of others) {
      expect(isConnectionLoss(error)).toBe(false)
      expect(classifyRefusal(error, true)).toBeUndefined()
    }
  })

  it('P2: looks 32 errors deep, at each once', () => {
    const original = databaseError('25006', 'PreventCommandIfReadOnly')
    const wrapped = (times: number): unknown => {
      let error: unknown = original
      for (let time = 0; time < times; time += 1) error = new Error('wrapper', { cause: error })
      return error
    }
    expect(databaseErrorIn(wrapped(32))).toBe(original)
    expect(databaseErrorIn(wrapped(33))).toBeUndefined()
    const many = Object.assign(new Error('a'), { parent: original })
    const same = new AggregateError(Array.from({ length: 100 }, () => many))
    expect(databaseErrorIn(same)).toBe(original)
  })

  it('P2: an error counts as the server’s with a code of five characters and a severity', () => {
    for (const code of ['25006', '42P01', 'XX000'])
      expect(databaseErrorIn({ code, severity: 'ERROR' })?.code).toBe(code)
    for (const code of ['2500', '250066', 'xx000', '25-06', 25006, undefined]) {
      expect(databaseErrorIn({ code, severity: 'ERROR' })).toBeUndefined()
    }
    // A system call's name may have five letters.
    expect(databaseErrorIn({ code: 'EPIPE' })).toBeUndefined()
  })

  it('X2: a pool without a free connection is not a lost server; a connection that was not made in time is', () => {
    expect(isConnectionLoss(new Error('timeout exceeded when trying to connect'))).toBe(false)
    expect(isConnectionLoss(new Error('timeout expired'))).toBe(true)
    expect(isConnectionLoss(new Error('Connection terminated due to connection timeout'))).toBe(true)
  })

  it.each([
    ['it is full', databaseError('53300'), true],
    ['it is starting, stopping, or has crashed', databaseError('57P03'), true],
    ['it was shut down meanwhile', databaseError('57P01'), true],
    ['a pooler has no server', databaseError('08P01'), true],
    ['nothing listens', Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }), true],
    ['it did not answer in time', new Error('timeout expired'), true],
    ['the login is refused', databaseError('28000'), false],
    ['the password is wrong', databaseError('28P01'), false],
    ['the database is not there', databaseError('3D000'), false],
    ['it has no TLS', new Error('The server does not support SSL connections'), false],
    ['its CA is unknown', Object.assign(new Error('ca'), { code: 'SELF_SIGNED_CERT_IN_CHAIN' }), false],
    ['the pool is full', new Error('timeout exceeded when trying to connect'), false],
  ])('X2: a server is out of service, or the app is configured wrong: %s', (_name, error, isOut) => {
    expect(isOutOfService(error)).toBe(isOut)
  })

  it('P2: finds the server’s error in the wrappers of Drizzle, TypeORM, Sequelize and Prisma', () => {
    const original = databaseError('25006', 'PreventCommandIfReadOnly')
    for (const field of ['cause', 'driverError', 'parent', 'original', 'originalError']) {
      expect(databaseErrorIn(Object.assign(new Error('wrapper'), { [field]: original }))).toBe(original)
    }
    expect(databaseErrorIn({ code: 'P2010', meta: { driverAdapterError: { cause: original } } })).toBe(original)
    expect(databaseErrorIn(new AggregateError([new Error('one'), original]))).toBe(original)
    expect(databaseErrorIn(Object.assign(new Error('w'), { code: '25006' }))).toBeUndefined()
  })
})
