import type { AccessReason, Decision } from '@headwater/core/internal'

/** Why a statement has its access, in a sentence. */
export const ACCESS_SENTENCES: Readonly<Record<AccessReason, string>> = {
  'reads-only': 'It only reads: a standby answers it exactly as the primary would.',
  empty: 'It holds no statement.',
  'transaction-control': 'It begins, ends or steers a transaction, which lives on one node.',
  'transaction-local': 'What it sets ends with its transaction, and goes where that is.',
  'data-modification': 'It changes data.',
  'row-lock': 'It locks rows, which only the primary can do.',
  'table-lock': 'It locks a table; a standby accepts the weak locks, but nobody on the primary heeds them.',
  'advisory-lock': 'It takes an advisory lock; a standby grants it for itself alone, so it would exclude nobody.',
  'schema-change': 'It changes the schema or who may do what.',
  'select-into': 'SELECT INTO makes a table.',
  'copy-from': 'COPY FROM writes rows.',
  'copy-to-server': 'It writes a file, or runs a program, on the machine of the server that it reaches.',
  'explain-analyze': 'EXPLAIN of a statement that writes; with ANALYZE it really writes.',
  sequence: 'It needs a sequence; a standby refuses to advance one and sees values of the future.',
  'large-object': 'It uses large objects, which belong to a transaction on the primary.',
  'transaction-id': 'It asks for a transaction id, which only the primary gives out.',
  notification: 'LISTEN and NOTIFY work on the primary only.',
  'session-state':
    'It changes its session, and must run on the connection that the following statements use: the primary’s.',
  'prepared-statement': 'It names or runs a statement that is prepared in one session.',
  cursor: 'It uses a cursor, which lives in one session.',
  maintenance: 'It is maintenance, which a standby refuses.',
  'two-phase': 'Prepared transactions live on the primary.',
  'writing-function': 'It calls or reads something that writes.',
  'node-local': 'Each server answers it for itself, so a standby’s answer would be another one.',
  'remote-server': 'It reaches another server, and what it does there is done, whatever node asked for it.',
  'swallows-errors':
    'It catches errors: on a standby the refusal of a write would be caught too, and the write silently lost.',
  'procedural-code': 'It runs code that cannot be seen into.',
  'unseen-function': 'It calls a function that cannot be seen into without the catalog of its database.',
  'unseen-operator': 'It uses an operator that cannot be seen into without the catalog of its database.',
  'newer-than-catalog': 'It names something that the database did not have when its catalog was read.',
  unlogged: 'It reads an unlogged table, which is not on a standby.',
  hint: 'A comment in it asks for the primary.',
  learned: 'A standby has refused it before.',
  override: 'The app itself says so of something that it names.',
  syntax: 'It is not SQL that can be read with certainty, so the primary has to.',
}

type DecisionReason = Decision['reason']

/** Why a statement goes where it goes, in a sentence. */
export const DECISION_SENTENCES: Readonly<Record<DecisionReason, string>> = {
  read: 'a read is answered next door',
  tried: 'the replica is asked; if it refuses, the statement goes on to the primary or its request is replayed',
  'read-only-transaction': 'a READ ONLY transaction runs next door',
  'undecided-transaction': 'a transaction runs next door until it proves to write',
  'forced-replica': 'it runs inside withReplica()',
  write: 'a write needs the primary',
  session: 'what changes its session stays with the primary’s connection',
  unknown:
    'what nobody can see into is not tried where the primary is next door, without a catalog, or through a pooler',
  'newer-than-catalog': 'what is newer than the catalog is not tried until that has been read again',
  'after-write': 'the scope has written before',
  'forced-primary': 'it runs inside withPrimary()',
  'explicit-mode': 'in this mode only withReplica() leads to a replica',
  'read-write-transaction': 'its transaction may write',
  serializable: 'a standby cannot run a SERIALIZABLE transaction',
  'open-transaction': 'its transaction is on the primary',
  pinned: 'its connection holds session state',
  'no-replica': 'no replica can be reached',
  'replica-lost': 'the replica was lost',
  refused: 'the replica refused it',
  'unknown-object': 'the replica does not know an object that it names',
  strong: 'the app asked for strong consistency',
  behind: 'no replica had in time what the client has seen',
  'seen-elsewhere': 'the client has read from another server; how far that was, no replica here can tell',
  'another-timeline': 'a promotion lies between what the client has seen and the replica',
  lagging: 'every replica lags further than the app allows',
  'write-in-with-replica': 'a write inside withReplica() is refused',
  'transaction-on-replica': 'its transaction runs on a replica',
}

/** What a route means, in a few words. */
export const ROUTE_WORDS: Readonly<Record<Decision['route'], string>> = {
  replica: 'to the replica next door',
  primary: 'to the primary next door',
  direct: 'to the primary over the wide network (with outsideRequest: "throw" it is refused)',
  replay: 'the whole request is handed to the region of the primary, before anything is sent',
  impossible: 'ReplayImpossible is thrown',
  refuse: 'WriteOnReplica is thrown',
}
