import { describe, expect, it } from 'vitest'
import { isOptionsRefusal } from '../src/driver/tracked-client.ts'

const refusal = (code: string, message: string) => Object.assign(new Error(message), { severity: 'FATAL', code })

describe('X1: a startup message that a pooler refuses for its options', () => {
  it.each([
    ['PgBouncer 1.18', 'unsupported startup parameter: options'],
    ['PgBouncer 1.20 and later', 'unsupported startup parameter in options: default_transaction_read_only'],
    ['PgBouncer, a form that it cannot read', "unsupported options startup parameter: only '-c config=val' is allowed"],
  ])('is known from %s', (_name, message) => {
    expect(isOptionsRefusal(refusal('08P01', message))).toBe(true)
  })

  it.each([
    ['another parameter', refusal('08P01', 'unsupported startup parameter: replication')],
    ['no server behind the pooler', refusal('08P01', 'query_wait_timeout')],
    ['another code', refusal('42601', 'unsupported startup parameter: options')],
    ['no error', undefined],
  ])('is told from %s', (_name, error) => {
    expect(isOptionsRefusal(error)).toBe(false)
  })
})
