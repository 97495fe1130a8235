import { describe, expect, it } from 'vitest'
import { route, type Situation, type Statement } from '../src/internal.ts'
import { ALONE_AT_HOME, ALONE_AWAY, HOME, held, JOB, LOCAL, open, situation, statement, WROTE } from './statements.ts'

const QUESTION: Statement = { ...statement('write', [], 'node-local'), isNodeQuestion: true }

/** What is changed of a request away from home, with a replica, a catalog, and nothing open, written or forced. */
type Case = readonly [name: string, given: Statement, changes: Partial<Situation>, to: string, reason: string]

describe('route, case by case', () => {
  it.each<Case>([
    ['a read at home', statement('read'), { topology: HOME }, 'replica', 'read'],
    ['a read away', statement('read'), {}, 'replica', 'read'],
    ['a read of a job', statement('read'), { scope: JOB }, 'replica', 'read'],
    ['a read, no replica, at home', statement('read'), { topology: ALONE_AT_HOME }, 'primary', 'no-replica'],
    ['a read, no replica, away', statement('read'), { topology: ALONE_AWAY }, 'replay', 'no-replica'],
    ['an unknown away', statement('unknown'), {}, 'replica', 'tried'],
    ['an unknown away, no replica', statement('unknown'), { topology: ALONE_AWAY }, 'replay', 'no-replica'],
    ['an unknown at home', statement('unknown'), { topology: HOME }, 'primary', 'unknown'],
    ['an unknown, no catalog', statement('unknown'), { isCatalogMissing: true }, 'replay', 'unknown'],
    [
      'an unknown that the app vouches for, no catalog',
      statement('unknown', [], 'override'),
      { isCatalogMissing: true },
      'replica',
      'tried',
    ],
    ['a read needs no catalog', statement('read'), { isCatalogMissing: true }, 'replica', 'read'],
  ])('R1: %s', (_name, given, changes, to, reason) => {
    expect(route(given, situation(changes))).toEqual({ route: to, reason })
  })

  it.each<Case>([
    ['session state at home', statement('session'), { topology: HOME }, 'primary', 'session'],
    ['session state away', statement('session'), {}, 'replay', 'session'],
    ['SHOW or FETCH alone', LOCAL, {}, 'replay', 'session'],
    [
      'a lease that holds session state, at home',
      statement('read'),
      { isPinned: true, topology: HOME },
      'primary',
      'pinned',
    ],
    ['the same in BEGIN', statement('read'), { isPinned: true, topology: HOME, ...held() }, 'primary', 'pinned'],
    [
      'the same in BEGIN READ ONLY',
      statement('read'),
      { isPinned: true, ...held({ isReadOnly: true }) },
      'replay',
      'pinned',
    ],
    [
      'it stays so in withReplica',
      statement('read'),
      { isPinned: true, forced: 'replica', topology: HOME },
      'primary',
      'pinned',
    ],
  ])('R2: %s', (_name, given, changes, to, reason) => {
    expect(route(given, situation(changes))).toEqual({ route: to, reason })
  })

  it.each<Case>([
    ['READ ONLY away', statement('read'), held({ isReadOnly: true }), 'replica', 'read-only-transaction'],
    [
      'READ ONLY at home',
      statement('read'),
      { topology: HOME, ...held({ isReadOnly: true }) },
      'replica',
      'read-only-transaction',
    ],
    ['an unknown in READ ONLY', statement('unknown'), held({ isReadOnly: true }), 'replica', 'read-only-transaction'],
    ['a write in READ ONLY', statement('write'), held({ isReadOnly: true }), 'replay', 'write'],
    [
      'READ ONLY, no replica',
      statement('read'),
      { topology: ALONE_AWAY, ...held({ isReadOnly: true }) },
      'replay',
      'no-replica',
    ],
    ['plain BEGIN away, a read first', statement('read'), held(), 'replica', 'undecided-transaction'],
    ['plain BEGIN away, an unknown first', statement('unknown'), held(), 'replay', 'unknown'],
    ['plain BEGIN away, a write first', statement('write'), held(), 'replay', 'write'],
    ['plain BEGIN away, session state first', statement('session'), held(), 'replay', 'session'],
    ['plain BEGIN at home', statement('read'), { topology: HOME, ...held() }, 'primary', 'read-write-transaction'],
    ['plain BEGIN at home, a write first', statement('write'), { topology: HOME, ...held() }, 'primary', 'write'],
    [
      'plain BEGIN away, outside a request',
      statement('read'),
      { scope: undefined, ...held() },
      'direct',
      'read-write-transaction',
    ],
    ['plain BEGIN away, in a job', statement('read'), { scope: JOB, ...held() }, 'direct', 'read-write-transaction'],
    ['plain BEGIN away, no replica', statement('read'), { topology: ALONE_AWAY, ...held() }, 'replay', 'no-replica'],
    ['SERIALIZABLE away', statement('read'), held({ isolation: 'serializable' }), 'replay', 'serializable'],
    [
      'SERIALIZABLE READ ONLY',
      statement('read'),
      held({ isolation: 'serializable', isReadOnly: true }),
      'replay',
      'serializable',
    ],
    [
      'SERIALIZABLE in withReplica',
      statement('read'),
      { forced: 'replica', ...held({ isolation: 'serializable' }) },
      'replay',
      'serializable',
    ],
    ['READ WRITE', statement('read'), held({ isReadOnly: false }), 'replay', 'read-write-transaction'],
    [
      'READ WRITE in withReplica',
      statement('read'),
      { forced: 'replica', ...held({ isReadOnly: false }) },
      'replay',
      'read-write-transaction',
    ],
    [
      'open on the primary at home',
      statement('read'),
      { topology: HOME, ...open('primary') },
      'primary',
      'open-transaction',
    ],
    ['open on the primary away', statement('write'), open('primary'), 'direct', 'open-transaction'],
    [
      'open on the primary away, with a blocker',
      statement('read'),
      { scope: JOB, writesOutsideRequest: 'throw', ...open('primary') },
      'direct',
      'open-transaction',
    ],
    ['open on a replica, undecided', statement('read'), open('replica'), 'replica', 'undecided-transaction'],
    ['open on a replica, READ ONLY', statement('read'), open('replica', true), 'replica', 'read-only-transaction'],
    ['open on a replica, an unknown', statement('unknown'), open('replica'), 'replay', 'unknown'],
    [
      'open on a replica, READ ONLY, an unknown',
      statement('unknown'),
      open('replica', true),
      'replica',
      'read-only-transaction',
    ],
    ['open on a replica, a write', statement('write'), open('replica'), 'replay', 'write'],
    ['open on a replica, READ ONLY, a write', statement('write'), open('replica', true), 'replay', 'write'],
    ['open on a replica, session state', statement('session'), open('replica'), 'replay', 'session'],
    ['open on a replica, SHOW or FETCH', LOCAL, open('replica'), 'replica', 'undecided-transaction'],
    [
      'open on a replica, SHOW in withPrimary',
      LOCAL,
      { forced: 'primary', ...open('replica') },
      'replica',
      'undecided-transaction',
    ],
    [
      'open on a replica, a write of a job',
      statement('write'),
      { scope: JOB, ...open('replica') },
      'refuse',
      'transaction-on-replica',
    ],
    [
      'open on a replica, a write of a job that may not cross',
      statement('write'),
      { scope: JOB, writesOutsideRequest: 'throw', ...open('replica') },
      'impossible',
      'write',
    ],
    [
      'open on a replica, a write after the response has started',
      statement('write'),
      { scope: { ...WROTE, blocker: 'response-started' }, ...open('replica') },
      'impossible',
      'write',
    ],
    [
      'open on a replica, a write at home',
      statement('write'),
      { topology: HOME, ...open('replica') },
      'refuse',
      'transaction-on-replica',
    ],
    [
      'open on a replica, a read that has written elsewhere in its scope',
      statement('read'),
      { scope: WROTE, ...open('replica') },
      'replica',
      'undecided-transaction',
    ],
  ])('R3: %s', (_name, given, changes, to, reason) => {
    expect(route(given, situation(changes))).toEqual({ route: to, reason })
  })

  it.each<Case>([
    ['at home', statement('read'), { scope: WROTE, topology: HOME }, 'primary', 'after-write'],
    ['away', statement('read'), { scope: WROTE }, 'replay', 'after-write'],
    ['an unknown away', statement('unknown'), { scope: WROTE }, 'replay', 'after-write'],
    ['in READ ONLY', statement('read'), { scope: WROTE, ...held({ isReadOnly: true }) }, 'replay', 'after-write'],
    ['in BEGIN', statement('read'), { scope: WROTE, ...held() }, 'replay', 'after-write'],
    ['bounded', statement('read'), { scope: WROTE, consistency: 'bounded' }, 'replay', 'after-write'],
    ['eventual', statement('read'), { scope: WROTE, consistency: 'eventual' }, 'replica', 'read'],
    ['in withReplica', statement('read'), { scope: WROTE, forced: 'replica' }, 'replica', 'forced-replica'],
    ['nothing was written', statement('read'), {}, 'replica', 'read'],
  ])('R4: a read after a write: %s', (_name, given, changes, to, reason) => {
    expect(route(given, situation(changes))).toEqual({ route: to, reason })
  })

  it.each<Case>([
    ['withPrimary', statement('read'), { forced: 'primary' }, 'replay', 'forced-primary'],
    [
      'withPrimary in BEGIN READ ONLY',
      statement('read'),
      { forced: 'primary', ...held({ isReadOnly: true }) },
      'replay',
      'forced-primary',
    ],
    [
      'withPrimary in a transaction on a replica',
      statement('read'),
      { forced: 'primary', ...open('replica', true) },
      'replay',
      'forced-primary',
    ],
    [
      'the same, an unknown',
      statement('unknown'),
      { forced: 'primary', ...open('replica', true) },
      'replay',
      'forced-primary',
    ],
    ['the same, a write', statement('write'), { forced: 'primary', ...open('replica', true) }, 'replay', 'write'],
    ['withReplica', statement('read'), { forced: 'replica' }, 'replica', 'forced-replica'],
    ['withReplica at home', statement('unknown'), { forced: 'replica', topology: HOME }, 'replica', 'forced-replica'],
    [
      'withReplica, strong',
      statement('read'),
      { forced: 'replica', consistency: 'strong' },
      'replica',
      'forced-replica',
    ],
    ['withReplica, no replica', statement('read'), { forced: 'replica', topology: ALONE_AWAY }, 'replay', 'no-replica'],
    ['withReplica, a write', statement('write'), { forced: 'replica' }, 'refuse', 'write-in-with-replica'],
    ['withReplica, session state', statement('session'), { forced: 'replica' }, 'refuse', 'write-in-with-replica'],
    ['withReplica in BEGIN', statement('read'), { forced: 'replica', ...held() }, 'replica', 'forced-replica'],
    [
      'withReplica in BEGIN, no replica',
      statement('read'),
      { forced: 'replica', topology: ALONE_AWAY, ...held() },
      'replay',
      'no-replica',
    ],
    [
      'withReplica in BEGIN, a write',
      statement('write'),
      { forced: 'replica', ...held() },
      'refuse',
      'write-in-with-replica',
    ],
    [
      'withReplica in BEGIN, session state',
      statement('session'),
      { forced: 'replica', ...held() },
      'refuse',
      'write-in-with-replica',
    ],
    [
      'withReplica in BEGIN, strong',
      statement('read'),
      { forced: 'replica', consistency: 'strong', ...held() },
      'replica',
      'forced-replica',
    ],
    [
      'withReplica in a transaction on a replica',
      statement('read'),
      { forced: 'replica', consistency: 'strong', ...open('replica') },
      'replica',
      'undecided-transaction',
    ],
    [
      'the same, a write',
      statement('write'),
      { forced: 'replica', ...open('replica') },
      'refuse',
      'write-in-with-replica',
    ],
    [
      'the same, an unknown',
      statement('unknown'),
      { forced: 'replica', ...open('replica') },
      'refuse',
      'write-in-with-replica',
    ],
    [
      'withReplica in a transaction at the primary',
      statement('read'),
      { forced: 'replica', ...open('primary') },
      'direct',
      'open-transaction',
    ],
    [
      'the same, a write: a handle that only reads, of a transaction that may write',
      statement('write'),
      { forced: 'replica', ...open('primary') },
      'refuse',
      'write-in-with-replica',
    ],
    [
      'withReplica, a write on a lease that has written',
      statement('write'),
      { isPinned: true, forced: 'replica', topology: HOME },
      'refuse',
      'write-in-with-replica',
    ],
    ['withReplica, which server is this', QUESTION, { forced: 'replica' }, 'replica', 'forced-replica'],
    ['the same outside it', QUESTION, {}, 'replay', 'write'],
    ['the same in withPrimary', QUESTION, { forced: 'primary' }, 'replay', 'forced-primary'],
    ['withReplica in BEGIN, the same', QUESTION, { forced: 'replica', ...held() }, 'replica', 'forced-replica'],
    [
      'withReplica in a transaction on a replica, the same',
      QUESTION,
      { forced: 'replica', ...open('replica') },
      'replica',
      'undecided-transaction',
    ],
  ])('R6: %s', (_name, given, changes, to, reason) => {
    expect(route(given, situation(changes))).toEqual({ route: to, reason })
  })
})
