import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import {
  BackgroundAbandoned,
  ConnectionLost,
  type HeadwaterError,
  type HeadwaterErrorCode,
  OptionsInvalid,
  OutcomeUnknown,
  PrimaryBusy,
  PrimaryConflict,
  PrimaryUnavailable,
  type ReplayBlocker,
  ReplayImpossible,
  ReplayToPrimary,
  ReplicaBehind,
  SessionUnavailable,
  WriteOnReplica,
} from '../src/index.ts'
import type { PrimaryReason, RefusalReason, ReplicaReason } from '../src/internal.ts'

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
const quoted = (text: string): string[] => [...text.matchAll(/`([\w-]+)`/g)].map((match) => match[1] ?? '')
const row = (start: string): string => readme.split('\n').find((line) => line.startsWith(start)) ?? ''

/** One error of each code; a new code is a compile error here. */
const ERRORS: Record<HeadwaterErrorCode, HeadwaterError> = {
  HEADWATER_OPTIONS_INVALID: new OptionsInvalid('routing', 'is wrong'),
  HEADWATER_REPLAY_TO_PRIMARY: new ReplayToPrimary({ region: 'ams', from: 'nrt', reason: 'write' }),
  HEADWATER_REPLAY_IMPOSSIBLE: new ReplayImpossible('at-home'),
  HEADWATER_WRITE_ON_REPLICA: new WriteOnReplica('no'),
  HEADWATER_REPLICA_BEHIND: new ReplicaBehind(),
  HEADWATER_SESSION_UNAVAILABLE: new SessionUnavailable('no-direct-address', 'listen', 'primary'),
  HEADWATER_CONNECTION_LOST: new ConnectionLost(new Error('ECONNRESET'), true),
  HEADWATER_OUTCOME_UNKNOWN: new OutcomeUnknown(new Error('ECONNRESET')),
  HEADWATER_BACKGROUND_ABANDONED: new BackgroundAbandoned('full', 1000),
  HEADWATER_PRIMARY_BUSY: new PrimaryBusy(),
  HEADWATER_PRIMARY_CONFLICT: new PrimaryConflict(['server-0', 'server-1']),
  HEADWATER_PRIMARY_UNAVAILABLE: new PrimaryUnavailable(new Error('connect')),
}

const BLOCKERS: Record<ReplayBlocker, true> = {
  'at-home': true,
  'no-request': true,
  'response-started': true,
  'already-replayed': true,
  'body-too-large': true,
  'body-gone': true,
  forbidden: true,
  'replay-failed': true,
}

const REPLICA: Record<ReplicaReason, true> = {
  read: true,
  tried: true,
  'read-only-transaction': true,
  'undecided-transaction': true,
  'forced-replica': true,
  'far-replica': true,
}

const PRIMARY: Record<PrimaryReason, true> = {
  write: true,
  session: true,
  unknown: true,
  'newer-than-catalog': true,
  'after-write': true,
  'forced-primary': true,
  'opt-in': true,
  'read-write-transaction': true,
  serializable: true,
  'open-transaction': true,
  pinned: true,
  'no-replica': true,
  'replica-lost': true,
  refused: true,
  'unknown-object': true,
  strong: true,
  behind: true,
  'seen-elsewhere': true,
  'another-timeline': true,
  lagging: true,
}

const REFUSE: Record<RefusalReason, true> = { 'write-in-with-replica': true, 'transaction-on-replica': true }

describe('the README of core', () => {
  it('has every error, with its class and whether it is retryable', () => {
    const rows = readme.split('\n').filter((line) => line.startsWith('| `HEADWATER_'))
    expect(rows.map((line) => quoted(line)[0]).sort()).toEqual(Object.keys(ERRORS).sort())
    for (const [code, error] of Object.entries(ERRORS)) {
      const cells = row(`| \`${code}\``).split('|')
      expect(error.code).toBe(code)
      expect(cells[2]).toContain(error.name)
      if (!(error instanceof ReplayImpossible || error instanceof ConnectionLost))
        expect(cells[4]?.trim()).toBe(error.retryable ? 'yes' : 'no')
      expect(error.message).toMatch(/^\[headwater\] /)
    }
  })

  it('R7: has every reason and every blocker', () => {
    const reasons = (start: string) => quoted(row(start).split('|')[2] ?? '').sort()
    expect(reasons('| `replica`')).toEqual(Object.keys(REPLICA).sort())
    expect(reasons('| `primary`, `direct`')).toEqual(Object.keys(PRIMARY).sort())
    expect(reasons('| `refuse`')).toEqual(Object.keys(REFUSE).sort())
    const blockers = /`blocker` is one of ([^.]*)\./.exec(readme)?.[1] ?? ''
    expect(quoted(blockers).sort()).toEqual(Object.keys(BLOCKERS).sort())
  })
})
