import fc from 'fast-check'
import type { Topology } from '../src/index.ts'
import type { Access, AccessReason, IsolationLevel, Situation, Statement, TransactionModes } from '../src/internal.ts'
import { topologyOf } from '../src/internal.ts'

/** A verdict as the classifier would give it. */
export function statement(
  access: Access,
  functions: readonly string[] = [],
  because: AccessReason = access === 'read' ? 'reads-only' : 'data-modification',
): Statement {
  return {
    access,
    because,
    token: undefined,
    position: -1,
    functions,
    count: 1,
    control: undefined,
    isTransactionLocal: false,
  }
}

export const AWAY: Topology = topologyOf({ region: 'nrt', primaryRegion: 'ams', hasReplica: true })
export const HOME: Topology = topologyOf({ region: 'ams', primaryRegion: 'ams', hasReplica: true })

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

export const anyStatement: fc.Arbitrary<Statement> = fc
  .tuple(
    fc.constantFrom<Access>('read', 'unknown', 'session', 'write'),
    fc.constantFrom<AccessReason>('unseen-function', 'override', 'newer-than-catalog'),
  )
  .map(([access, because]) => statement(access, [], because))

export const anySituation: fc.Arbitrary<Situation> = fc.record({
  topology: fc
    .record({ region: fc.constantFrom('ams', 'nrt'), primaryRegion: fc.constant('ams'), hasReplica: fc.boolean() })
    .map(topologyOf),
  mode: fc.constantFrom('safe' as const, 'explicit' as const, 'eventual' as const),
  consistency: fc.constantFrom('session' as const, 'bounded' as const, 'eventual' as const, 'strong' as const),
  outsideRequest: fc.constantFrom('direct' as const, 'throw' as const),
  scope: fc.option(
    fc.record({
      kind: fc.constantFrom('request' as const, 'job' as const),
      hasWritten: fc.boolean(),
      obstacle: fc.constantFrom(undefined, 'side-effects' as const, 'response-started' as const),
    }),
    { nil: undefined },
  ),
  forced: fc.constantFrom(undefined, 'primary' as const, 'replica' as const),
  isPinned: fc.boolean(),
  isCatalogMissing: fc.boolean(),
  isCatalogOutdated: fc.boolean(),
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
    mode: 'safe',
    consistency: 'session',
    outsideRequest: 'direct',
    scope: { kind: 'request', hasWritten: false, obstacle: undefined },
    forced: undefined,
    transaction: { phase: 'none' },
    isPinned: false,
    isCatalogMissing: false,
    isCatalogOutdated: false,
    isReadOnlyForced: true,
    ...changes,
  }
}
