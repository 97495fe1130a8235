import type { AccessReason, Decision } from '@headwater/core/internal'

/** Why a statement has its access, in a sentence. */
export const ACCESS_SENTENCES: Readonly<Record<AccessReason, string>> = {
  'reads-only': 'It only reads: a standby answers it exactly as the primary would.',
  empty: 'It holds no statement.',
  'transaction-control': 'It begins, ends or steers a transaction, which lives on one node.',
  'transaction-local': 'Its setting ends with its transaction, so it runs on the transaction’s node.',
  'data-modification': 'It changes data.',
  'row-lock': 'It locks rows, which only the primary can do.',
  'table-lock': 'It locks a table; a standby accepts the weak locks, but they have no effect on the primary.',
  'advisory-lock':
    'It takes an advisory lock; a standby grants it on that server only, so it would not exclude other clients.',
  'schema-change': 'It changes the schema or permissions.',
  'select-into': 'SELECT INTO creates a table.',
  'copy-from': 'COPY FROM writes rows.',
  'copy-to-server': 'It writes a file, or runs a program, on the machine of the server that runs it.',
  'explain-analyze': 'It is EXPLAIN of a statement that writes; with ANALYZE the write is executed.',
  sequence: 'It uses a sequence; a standby cannot advance one, and shows values that are not used yet.',
  'large-object': 'It uses large objects, which belong to a transaction on the primary.',
  'transaction-id': 'It asks for a transaction id, which only the primary assigns.',
  notification: 'LISTEN and NOTIFY work on the primary only.',
  'session-state':
    'It changes its session, so it must run on the connection that the next statements use: the primary’s.',
  'prepared-statement': 'It uses a prepared statement, which exists in one session only.',
  cursor: 'It uses a cursor, which exists in one session only.',
  maintenance: 'It is maintenance, which a standby refuses.',
  'two-phase': 'It is part of a two-phase commit, which only the primary can run.',
  'writing-function': 'It calls a function, or reads a view, that writes.',
  'node-local': 'Its result depends on the server that runs it, so a standby would answer something else.',
  'remote-server': 'It reaches another server, and can write there from a standby too.',
  'swallows-errors':
    'It catches errors: on a standby it would also catch the refusal of a write, and the write would be lost silently.',
  'procedural-code': 'It runs code whose effect is not known.',
  'unseen-function': 'It calls a function whose effect is not known without the database’s catalog.',
  'unseen-operator': 'It uses an operator whose effect is not known without the database’s catalog.',
  'newer-than-catalog': 'It uses a name that the database did not have when its catalog was read.',
  unlogged: 'It reads an unlogged table, which a standby does not have.',
  hint: 'A comment in it asks for the primary.',
  learned: 'A standby has refused it before.',
  override: 'The app itself declares this for a name that it uses.',
  syntax: 'The parser could not understand this statement, so it goes to the primary.',
}

type DecisionReason = Decision['reason']

/** Why a statement goes where it goes, in a sentence. */
export const DECISION_SENTENCES: Readonly<Record<DecisionReason, string>> = {
  read: 'a read is answered by a local replica',
  tried: 'a local replica is tried; if it refuses, the statement goes to the primary or its request is replayed',
  'read-only-transaction': 'a READ ONLY transaction runs on a local replica',
  'undecided-transaction': 'a transaction runs on a local replica until it writes',
  'forced-replica': 'it runs inside withReplica()',
  'far-replica':
    'no local replica can be reached, and another region’s is nearer than the primary, or that does not answer',
  write: 'a write needs the primary',
  session: 'a change of the session stays on the primary’s connection',
  unknown: 'its effect is not known, and it is not tried on a replica at home, without a catalog, or through a pooler',
  'newer-than-catalog':
    'it uses a name that is newer than the catalog, and needs the primary until the catalog is read again',
  'after-write': 'its scope has already written',
  'forced-primary': 'it runs inside withPrimary()',
  'opt-in': 'with opt-in routing only withReplica() reads from a replica',
  'read-write-transaction': 'its transaction may write',
  serializable: 'a standby cannot run a SERIALIZABLE transaction',
  'open-transaction': 'its transaction is on the primary',
  pinned: 'its connection holds session state',
  'no-replica': 'no local replica can be reached',
  'replica-lost': 'the replica was lost',
  refused: 'the replica refused it',
  'unknown-object': 'the replica does not know an object that it names',
  strong: 'the app asked for strong consistency',
  behind: 'no local replica caught up in time with what the client has seen',
  'seen-elsewhere': 'the client has read from another server, at a position that is not known here',
  'another-timeline': 'a promotion happened since, so positions do not compare',
  lagging: 'every local replica lags more than the app allows',
  'write-in-with-replica': 'a write inside withReplica() is refused',
  'transaction-on-replica': 'its transaction runs on a replica',
}

/** What a route means, in a few words. */
export const ROUTE_WORDS: Readonly<Record<Decision['route'], string>> = {
  replica: 'to a local replica',
  primary: 'to the primary in the same region',
  direct: 'to the primary over the wide network (with writesOutsideRequest: "throw" it is refused)',
  replay: 'the whole request is replayed in the primary’s region, before anything is sent',
  impossible: 'ReplayImpossible is thrown',
  refuse: 'WriteOnReplica is thrown',
}
