import type { Access } from '@headwater/core/internal'
import { describe, expect, test } from 'vitest'
import { type Facts, judge } from './judgement.ts'
import type { Label } from './labels.ts'
import type { Outcome } from './session.ts'

const ok: Outcome = { isOk: true, rows: [], code: undefined, message: undefined, refusal: undefined }
const refused: Outcome = { isOk: false, rows: [], code: '25006', message: '', refusal: 'refused' }
const failed: Outcome = { isOk: false, rows: [], code: '22012', message: '', refusal: undefined }
const missing: Outcome = {
  isOk: false,
  rows: [],
  code: '42P01',
  message: '',

  refusal: 'unknown-object',
}
const ownError: Outcome = {
  isOk: false,
  rows: [],
  code: '38000',
  message: 'argument missing',

  refusal: 'refused',
}
const plain: Label = {
  belongsOnPrimary: undefined,
  livesInSession: undefined,
  writes: undefined,
  isExplain: false,
  isParsed: true,
  isRandom: false,
  relations: [],
  calls: [],
}
const quiet: Facts = {
  wroteFromStandby: false,
  wroteOnPrimary: false,
  leavesStateOnStandby: false,
  differs: false,
  isTemporary: false,
  isSequence: false,
  isForeign: false,
}
const count = (
  access: Access,
  standby: Outcome,
  primary: Outcome,
  label: Partial<Label> = {},
  facts: Partial<Facts> = {},
  hasCatalog = true,
) => judge(access, hasCatalog, standby, primary, { ...plain, ...label }, { ...quiet, ...facts }).count

describe('what we would try on the standby', () => {
  test.each([
    ['it answers the same', ok, ok, {}, {}, 'right'],
    ['it refuses', refused, ok, {}, {}, 'caught'],
    ['it refuses, and the primary would have failed', refused, failed, {}, {}, 'caught'],
    ['it lacks an object that the primary has', missing, ok, {}, {}, 'caught'],
    ['it lacks a temporary table', missing, ok, {}, { isTemporary: true }, 'session'],
    ['it fails where the primary does not', failed, ok, {}, {}, 'silent'],
    ['both fail', failed, failed, {}, {}, 'failed'],
    ['both fail by the function’s own error', ownError, ownError, {}, {}, 'failed'],
    [
      'it fails as such a function does, the primary otherwise',
      ownError,
      { ...ownError, message: '' },
      {},
      {},
      'caught',
    ],
    ['it fails as such a function does, the primary does not', ownError, ok, {}, {}, 'caught'],
    ['it accepts a lock', ok, ok, { belongsOnPrimary: 'lock' }, {}, 'silent'],
    ['it swallows a refusal', ok, ok, {}, { wroteOnPrimary: true }, 'silent'],
    ['it leaves a lock there', ok, ok, {}, { leavesStateOnStandby: true }, 'silent'],
    ['it writes through dblink', ok, ok, {}, { wroteFromStandby: true }, 'silent'],
    ['it answers other rows', ok, ok, {}, { differs: true }, 'silent'],
    ['it reads a sequence', ok, ok, {}, { isSequence: true }, 'silent'],
    ['it answers where the primary fails', ok, failed, {}, {}, 'silent'],
  ] as const)('%s', (_, standby, primary, label, facts, expected) => {
    expect(count('read', standby, primary, label, facts)).toBe(expected)
    expect(count('unknown', standby, primary, label, facts)).toBe(expected)
  })
})

describe('what we would send to the primary', () => {
  test.each([
    ['the standby refuses', refused, ok, {}, {}, 'right'],
    ['the standby answers the same', ok, ok, {}, {}, 'costly'],
    ['the standby answers the same, but R2 names it', ok, ok, { belongsOnPrimary: 'lock' }, {}, 'right'],
    ['it lives in its session', ok, ok, { livesInSession: 'FETCH' }, {}, 'right'],
    ['the standby swallows a refusal', ok, ok, {}, { wroteOnPrimary: true }, 'right'],
    ['the standby would keep a lock', ok, ok, {}, { leavesStateOnStandby: true }, 'right'],
    ['the standby answers other rows', ok, ok, {}, { differs: true }, 'right'],
    ['it reads a foreign table', ok, ok, {}, { isForeign: true }, 'right'],
    ['both fail', failed, failed, {}, {}, 'failed'],
  ] as const)('%s', (_, standby, primary, label, facts, expected) => {
    expect(count('write', standby, primary, label, facts)).toBe(expected)
    expect(count('session', standby, primary, label, facts)).toBe(expected)
    const withoutCatalog = expected === 'costly' ? 'kept' : expected
    expect(count('unknown', standby, primary, label, facts, false)).toBe(withoutCatalog)
  })
})
