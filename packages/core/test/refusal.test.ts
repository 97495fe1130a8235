import { describe, expect, it } from 'vitest'
import { databaseErrorIn, isConnectionLoss, isOutOfService, refusalOf } from '../src/internal.ts'

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
    ['55000', 'heap_force_common'],
    ['38000', 'throw_tcl_error'],
    ['XX000', 'GetNewObjectId'],
    ['XX000', 'GetNewTransactionId'],
    ['XX000', 'XLogBeginInsert'],
  ])('P2: %s by %s on a standby means the primary; a primary’s own is not ours', (code, routine) => {
    expect(refusalOf(databaseError(code, routine), true)).toBe('refused')
    expect(refusalOf(databaseError(code, routine), false)).toBeUndefined()
  })

  it('P2: the WAL functions are known by their source file', () => {
    expect(refusalOf(databaseError('55000', 'pg_current_wal_lsn', { file: 'xlogfuncs.c' }), true)).toBe('refused')
    expect(refusalOf(databaseError('55000', 'currval_oid', { file: 'sequence.c' }), true)).toBeUndefined()
  })

  it('P2: an unknown object may be DDL that the replica has not seen', () => {
    for (const code of ['42P01', '42703', '42883', '42704', '3F000'])
      expect(refusalOf(databaseError(code), true)).toBe('unknown-object')
    expect(refusalOf(databaseError('42P01'), false)).toBeUndefined()
  })

  it('P2: other errors of the statement are its own', () => {
    for (const code of ['23505', '22012', '42601', '57014', '0A000', 'XX000', '25P02'])
      expect(refusalOf(databaseError(code), true)).toBeUndefined()
  })

  it('X2: a lost replica is told from an error of the statement', () => {
    for (const code of ['57P01', '57P02', '57P03', '08006', '40001'])
      expect(refusalOf(databaseError(code), true)).toBe('replica-lost')
    expect(refusalOf(new Error('Connection terminated unexpectedly'), true)).toBe('replica-lost')
    expect(refusalOf(Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }), true)).toBe('replica-lost')
    expect(isConnectionLoss(new Error('something else'))).toBe(false)
  })

  it('X2: a pool without a free place is not its server’s fault; a connection that was not made in time is', () => {
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
    expect(databaseErrorIn(Object.assign(new Error('w'), { code: '25006' }))).toBeUndefined()
  })
})
