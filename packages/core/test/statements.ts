import fc from 'fast-check'
import type { Topology } from '../src/index.ts'
import type {
  Access,
  AccessReason,
  IsolationLevel,
  Situation,
  Statement,
  TransactionControl,
  TransactionModes,
} from '../src/internal.ts'
import { createTopology } from '../src/internal.ts'

/** A verdict as the classifier would give it. */
export function statement(
  access: Access,
  functions: readonly string[] = [],
  reason: AccessReason = access === 'read' ? 'reads-only' : 'data-modification',
): Statement {
  return {
    access,
    reason,
    token: undefined,
    position: -1,
    functions,
    count: 1,
    control: undefined,
    isTransactionLocal: false,
    isNodeQuestion: false,
  }
}

export const AWAY: Topology = createTopology({ region: 'nrt', primaryRegion: 'ams', hasReplica: true })
export const HOME: Topology = createTopology({ region: 'ams', primaryRegion: 'ams', hasReplica: true })

const isolation = fc.constantFrom<IsolationLevel | undefined>(
  undefined,
  'serializable',
  'repeatable read',
  'read committed',
)
const modes: fc.Arbitrary<TransactionModes> = fc.record({
  isolation,
  isReadOnly: fc.constantFrom(undefined, true, false),
  isDeferrable: fc.constantFrom(undefined, true),
})

/** Every reason; a new one is a compile error here. */
const REASONS: Readonly<Record<AccessReason, true>> = {
  'reads-only': true,
  empty: true,
  'transaction-control': true,
  'transaction-local': true,
  'data-modification': true,
  'row-lock': true,
  'table-lock': true,
  'advisory-lock': true,
  'schema-change': true,
  'select-into': true,
  'copy-from': true,
  'copy-to-server': true,
  'explain-analyze': true,
  sequence: true,
  'large-object': true,
  'transaction-id': true,
  notification: true,
  'session-state': true,
  'prepared-statement': true,
  cursor: true,
  maintenance: true,
  'two-phase': true,
  'writing-function': true,
  'node-local': true,
  'remote-server': true,
  'swallows-errors': true,
  'procedural-code': true,
  'unseen-function': true,
  'unseen-operator': true,
  'newer-than-catalog': true,
  unlogged: true,
  hint: true,
  learned: true,
  override: true,
  syntax: true,
}

function isAccessReason(text: string): text is AccessReason {
  return Object.hasOwn(REASONS, text)
}

const control: fc.Arbitrary<TransactionControl> = fc.oneof(
  modes.map((asked) => ({ kind: 'begin' as const, modes: asked })),
  modes.map((asked) => ({ kind: 'set-transaction' as const, modes: asked })),
  fc.record({ kind: fc.constantFrom('commit' as const, 'rollback' as const), isChained: fc.boolean() }),
  fc
    .constantFrom('savepoint' as const, 'release-savepoint' as const, 'rollback-to-savepoint' as const)
    .map((kind) => ({ kind })),
  fc.constant({ kind: 'two-phase' as const }),
)

/** SET TRANSACTION to modes that no standby has. */
export function isOutOfReach(control: TransactionControl): boolean {
  if (control.kind !== 'set-transaction') return false
  return control.modes.isReadOnly === false || control.modes.isolation === 'serializable'
}

/** What steers a transaction, with the access that the classifier gives it. */
const anyControl: fc.Arbitrary<Statement> = control.map((steers) => {
  if (steers.kind === 'two-phase') return { ...statement('write', [], 'two-phase'), control: steers }
  return { ...statement(isOutOfReach(steers) ? 'write' : 'session', [], 'transaction-control'), control: steers }
})

const anyOrdinary: fc.Arbitrary<Statement> = fc
  .record({
    access: fc.constantFrom<Access>('read', 'unknown', 'session', 'write'),
    // Two thirds of them the only reasons that a decision looks at.
    reason: fc.oneof(
      fc.constant<AccessReason>('override'),
      fc.constant<AccessReason>('newer-than-catalog'),
      fc.constantFrom(...Object.keys(REASONS).filter(isAccessReason)),
    ),
    isTransactionLocal: fc.boolean(),
  })
  .map(({ access, reason, isTransactionLocal }) => ({
    ...statement(access, [], reason),
    isTransactionLocal: isTransactionLocal && (access === 'read' || access === 'session'),
  }))

/** Every access with every reason, and all that steers a transaction or belongs to one. */
export const anyStatement: fc.Arbitrary<Statement> = fc.oneof({ weight: 3, arbitrary: anyOrdinary }, anyControl)

export const anySituation: fc.Arbitrary<Situation> = fc.record({
  topology: fc
    .record({ region: fc.constantFrom('ams', 'nrt'), primaryRegion: fc.constant('ams'), hasReplica: fc.boolean() })
    .map(createTopology),
  routing: fc.constantFrom('automatic' as const, 'opt-in' as const),
  consistency: fc.constantFrom('session' as const, 'bounded' as const, 'eventual' as const, 'strong' as const),
  writesOutsideRequest: fc.constantFrom('direct' as const, 'throw' as const),
  scope: fc.option(
    fc.record({
      kind: fc.constantFrom('request' as const, 'job' as const),
      hasWritten: fc.boolean(),
      blocker: fc.constantFrom(undefined, 'forbidden' as const, 'response-started' as const),
      hasBegunToAnswer: fc.boolean(),
    }),
    { nil: undefined },
  ),
  forced: fc.constantFrom(undefined, 'primary' as const, 'replica' as const),
  isPinned: fc.boolean(),
  isCatalogMissing: fc.boolean(),
  isCatalogOutdated: fc.boolean(),
  isOwnWriteUnplaced: fc.boolean(),
  isReadOnlyForced: fc.boolean(),
  transaction: fc.oneof(
    fc.constant({ phase: 'none' as const }),
    modes.map((held) => ({ phase: 'held' as const, modes: held })),
    fc.record({
      phase: fc.constant('open' as const),
      on: fc.constantFrom('primary' as const, 'replica' as const),
      isReadOnly: fc.boolean(),
    }),
  ),
})

/** Outside any scope, nothing forced, nothing open. */
export function situation(changes: Partial<Situation> = {}): Situation {
  return {
    topology: AWAY,
    routing: 'automatic',
    consistency: 'session',
    writesOutsideRequest: 'direct',
    scope: { kind: 'request', hasWritten: false, blocker: undefined },
    forced: undefined,
    transaction: { phase: 'none' },
    isPinned: false,
    isCatalogMissing: false,
    isCatalogOutdated: false,
    isOwnWriteUnplaced: false,
    isReadOnlyForced: true,
    ...changes,
  }
}

export const NO_MODES: TransactionModes = { isolation: undefined, isReadOnly: undefined, isDeferrable: undefined }
/** No replica next to this instance. */
export const ALONE_AWAY: Topology = createTopology({ region: 'nrt', primaryRegion: 'ams', hasReplica: false })
export const ALONE_AT_HOME: Topology = createTopology({ region: 'ams', primaryRegion: 'ams', hasReplica: false })
/** The scope of a request that has written, and of a job that has not. */
export const WROTE: NonNullable<Situation['scope']> = { kind: 'request', hasWritten: true, blocker: undefined }
/** The scope of a request whose answer has begun: a stream. */
export const STREAM: NonNullable<Situation['scope']> = {
  kind: 'request',
  hasWritten: false,
  blocker: 'response-started',
  hasBegunToAnswer: true,
}
export const JOB: NonNullable<Situation['scope']> = { kind: 'job', hasWritten: false, blocker: 'no-request' }
/** BEGIN was said, with these modes. */
export const held = (said: Partial<TransactionModes> = {}): Pick<Situation, 'transaction'> => ({
  transaction: { phase: 'held', modes: { ...NO_MODES, ...said } },
})
/** A transaction is open there. */
export const open = (on: 'primary' | 'replica', isReadOnly = false): Pick<Situation, 'transaction'> => ({
  transaction: { phase: 'open', on, isReadOnly },
})

/** SHOW, FETCH, CLOSE. */
export const LOCAL: Statement = { ...statement('session', [], 'cursor'), isTransactionLocal: true }
