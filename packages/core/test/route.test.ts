import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  accessIn,
  type Decision,
  isTried,
  type PrimaryReason,
  route,
  routeToPrimary,
  type Situation,
  type Statement,
  type TransactionControl,
} from '../src/internal.ts'
import {
  ALONE_AWAY,
  AWAY,
  anySituation,
  anyStatement,
  HOME,
  held,
  isOutOfReach,
  JOB,
  LOCAL,
  NO_MODES,
  open,
  STREAM,
  situation,
  statement,
  WROTE,
} from './statements.ts'

/** Fails with what `route()` answered, not only with what it was asked. */
function always(holds: (given: Statement, where: Situation, decision: Decision) => boolean): void {
  fc.assert(
    fc.property(anyStatement, anySituation, (given, where) => {
      const decision = route(given, where)
      if (!holds(given, where, decision)) {
        const { route: to, reason } = decision
        throw new Error(`route() answered { route: '${to}', reason: '${reason}' }`)
      }
    }),
    { numRuns: 5000 },
  )
}

const TRIED = route(statement('unknown'), situation())

const steering = (control: TransactionControl): Statement => ({
  ...statement(control.kind === 'two-phase' || isOutOfReach(control) ? 'write' : 'session', [], 'transaction-control'),
  control,
})
/** What may be answered by the replica that an open transaction is on although it is no read. */
function isOfItsTransaction({ access, control, isTransactionLocal }: Statement): boolean {
  if (control === undefined) return access === 'session' && isTransactionLocal
  return control.kind !== 'two-phase' && !isOutOfReach(control)
}

describe('route', () => {
  it('R1: a proven write or session statement never goes to a replica, except a setting that ends with its transaction there', () => {
    always((given, where, { route: to }) => {
      if (given.access === 'read' || given.access === 'unknown') return true
      return to !== 'replica' || (where.transaction.phase === 'open' && isOfItsTransaction(given))
    })
  })

  it('R1: an unknown statement is tried on a replica only away from home and alone, unless it is in withReplica() or READ ONLY', () => {
    always((given, where, { route: to }) => {
      if (given.access !== 'unknown' || where.forced === 'replica') return true
      const { transaction } = where
      const isReadOnly =
        (transaction.phase === 'open' && transaction.isReadOnly) ||
        (transaction.phase === 'held' && transaction.modes.isReadOnly === true)
      if (isReadOnly) return true
      const isVouchedFor = !where.isCatalogMissing || given.reason === 'override'
      return to !== 'replica' || (transaction.phase === 'none' && !where.topology.isAtHome && isVouchedFor)
    })
  })

  it('X1: nothing is tried on sessions that are not forced read-only, and proven reads run there as before', () => {
    always((given, where) => {
      const decision = route(given, { ...where, isReadOnlyForced: false })
      if (decision.route === 'replica') return !isTried(given, where)
      const forced = route(given, { ...where, isReadOnlyForced: true })
      return forced.route === decision.route || forced === TRIED
    })
    const override = statement('unknown', ['f'], 'override')
    expect(route(override, situation({ isReadOnlyForced: false }))).toEqual({ route: 'replay', reason: 'unknown' })
    expect(route(override, situation())).toEqual({ route: 'replica', reason: 'tried' })
    expect(route(statement('read'), situation({ isReadOnlyForced: false })).route).toBe('replica')
  })

  it('X1: the reason is `tried` exactly for statements that are only tried', () => {
    always((given, where) => {
      const decision = route(given, where)
      return decision.route !== 'replica' || isTried(given, where) === (decision.reason === 'tried')
    })
  })

  it('R1: what is newer than the catalog is not tried on a replica, unless it is in withReplica() or READ ONLY', () => {
    always((given, where) => {
      const { transaction } = where
      const isNewer = given.reason === 'newer-than-catalog' || (where.isCatalogOutdated && given.reason !== 'override')
      const isOpenReadOnly = transaction.phase === 'open' && transaction.isReadOnly
      if (!isNewer || where.forced === 'replica' || isOpenReadOnly || isOfItsTransaction(given)) return true
      return route(given, where).route !== 'replica'
    })
    const newer = statement('unknown', [], 'newer-than-catalog')
    expect(route(newer, situation())).toEqual({ route: 'replay', reason: 'newer-than-catalog' })
    expect(route(newer, situation({ topology: HOME }))).toEqual({ route: 'primary', reason: 'newer-than-catalog' })
    const outdated = { isCatalogOutdated: true }
    expect(route(statement('read'), situation(outdated))).toEqual({ route: 'replay', reason: 'newer-than-catalog' })
    expect(route(statement('unknown', [], 'override'), situation(outdated)).route).toBe('replica')
    const held = { phase: 'held' as const, modes: { ...NO_MODES, isReadOnly: true } }
    const atHome = situation({ ...outdated, topology: HOME, transaction: held })
    expect(route(statement('read'), atHome)).toEqual({ route: 'primary', reason: 'newer-than-catalog' })
    const undecided = { phase: 'open' as const, on: 'replica' as const, isReadOnly: false }
    const inside = situation({ ...outdated, transaction: undecided })
    expect(route(statement('read'), inside)).toEqual({ route: 'replay', reason: 'newer-than-catalog' })
  })

  it('R3: an open transaction stays on its node, or the request starts again elsewhere', () => {
    always((_given, where, { route: to }) => {
      if (where.transaction.phase !== 'open') return true
      if (where.transaction.on === 'replica') return to !== 'primary' && to !== 'direct'
      // R6: a write is refused there too.
      if (to === 'refuse') return where.forced === 'replica'
      return to === (where.topology.isAtHome ? 'primary' : 'direct')
    })
  })

  it('R3: a read that must run at the primary never gets the answer of the replica that its transaction is on', () => {
    always((given, where, { route: to }) => {
      const isOnReplica = where.transaction.phase === 'open' && where.transaction.on === 'replica'
      if (!isOnReplica || where.consistency !== 'strong' || where.forced === 'replica') return true
      return given.control !== undefined || given.access === 'session' || to !== 'replica'
    })
    const strong = { consistency: 'strong' as const, ...open('replica', true) }
    expect(route(statement('read'), situation(strong))).toEqual({ route: 'replay', reason: 'strong' })
    const refused = { route: 'refuse', reason: 'transaction-on-replica' }
    expect(route(statement('read'), situation({ ...strong, topology: HOME }))).toEqual(refused)
    expect(route(statement('read'), situation({ ...strong, scope: undefined }))).toEqual(refused)
  })

  it('R3: SERIALIZABLE and READ WRITE are never tried on a replica', () => {
    always((_given, { transaction }, { route: to }) => {
      if (transaction.phase !== 'held') return true
      const isBeyondStandby = transaction.modes.isolation === 'serializable' || transaction.modes.isReadOnly === false
      return !isBeyondStandby || to !== 'replica'
    })
  })

  const serializable = { ...NO_MODES, isolation: 'serializable' as const }
  it.each<readonly [string, TransactionControl, 'replica' | 'replay']>([
    ['COMMIT', { kind: 'commit', isChained: false }, 'replica'],
    ['ROLLBACK', { kind: 'rollback', isChained: true }, 'replica'],
    ['SAVEPOINT', { kind: 'savepoint' }, 'replica'],
    ['ROLLBACK TO', { kind: 'rollback-to-savepoint' }, 'replica'],
    ['BEGIN', { kind: 'begin', modes: NO_MODES }, 'replica'],
    // A warning, and nothing changes.
    ['BEGIN SERIALIZABLE', { kind: 'begin', modes: serializable }, 'replica'],
    ['SET TRANSACTION READ ONLY', { kind: 'set-transaction', modes: { ...NO_MODES, isReadOnly: true } }, 'replica'],
    [
      'SET TRANSACTION REPEATABLE READ',
      { kind: 'set-transaction', modes: { ...NO_MODES, isolation: 'repeatable read' } },
      'replica',
    ],
    ['SET TRANSACTION READ WRITE', { kind: 'set-transaction', modes: { ...NO_MODES, isReadOnly: false } }, 'replay'],
    ['SET TRANSACTION SERIALIZABLE', { kind: 'set-transaction', modes: serializable }, 'replay'],
    ['PREPARE TRANSACTION', { kind: 'two-phase' }, 'replay'],
  ])('R3: %s in a transaction on a replica: %o goes to %s', (_name, control, to) => {
    const given = steering(control)
    expect(route(given, situation(open('replica', true))).route).toBe(to)
    expect(accessIn(given, open('replica').transaction)).toBe(to === 'replica' ? 'read' : 'write')
    // Where no transaction is open, it is what the classifier says.
    expect(accessIn(given, { phase: 'none' })).toBe(given.access)
    expect(accessIn(given, held().transaction)).toBe(given.access)
    // What ends a transaction, or steers it, stays in it, whatever is asked for its reads.
    for (const asked of [{ forced: 'primary' }, { consistency: 'strong' }] as const) {
      expect(route(given, situation({ ...asked, ...open('replica', true) })).route).toBe(to)
    }
  })

  it('R3: a setting that ends with its transaction runs on the transaction’s node', () => {
    expect(accessIn(LOCAL, open('replica').transaction)).toBe('read')
    expect(accessIn(LOCAL, { phase: 'none' })).toBe('session')
    expect(accessIn(statement('session'), open('replica').transaction)).toBe('session')
    expect(accessIn({ ...statement('unknown'), isTransactionLocal: true }, open('replica').transaction)).toBe('unknown')
  })

  it('R4, R9: after a write every read that stands alone goes to the primary, outside requests and in streams until it is placed', () => {
    always((_given, where, { route: to }) => {
      const isShort = where.scope?.kind === 'request' && where.scope.hasBegunToAnswer !== true
      const mustSee = isShort ? where.scope.hasWritten : where.isOwnWriteUnplaced
      if (!mustSee || where.routing !== 'automatic' || where.consistency === 'eventual' || where.forced === 'replica')
        return true
      return where.transaction.phase === 'open' || to !== 'replica'
    })
  })

  it('R6: nothing inside withPrimary reads on a replica, and no write inside withReplica reaches a database', () => {
    always((given, where, { route: to }) => {
      // What steers a transaction, or is its own, stays in it.
      const isOfTransaction = given.control !== undefined || given.access === 'session'
      if (where.forced === 'primary') return to !== 'replica' || (where.transaction.phase === 'open' && isOfTransaction)
      if (where.forced !== 'replica' || given.access !== 'write' || where.isPinned) return true
      return where.transaction.phase === 'open' && where.transaction.on === 'primary' ? true : to === 'refuse'
    })
  })

  it('R7: a decision is one of a closed set of frozen objects', () => {
    const seen = new Set<unknown>()
    always((given, where, decision) => {
      seen.add(decision)
      return Object.isFrozen(decision) && decision === route(given, where) && seen.size < 70
    })
  })

  it.each<readonly [PrimaryReason]>([
    ['replica-lost'],
    ['refused'],
    ['unknown-object'],
    ['behind'],
    ['seen-elsewhere'],
    ['another-timeline'],
    ['lagging'],
  ])('R7: the reason %s, which only a node can give, is reported wherever the statement goes', (reason) => {
    const to = (changes: Partial<Situation>) => routeToPrimary(reason, situation(changes))
    expect(to({ topology: HOME })).toEqual({ route: 'primary', reason })
    expect(to({})).toEqual({ route: 'replay', reason })
    expect(to({ scope: JOB })).toEqual({ route: 'direct', reason })
    expect(to({ scope: JOB, writesOutsideRequest: 'throw' })).toEqual({ route: 'impossible', reason })
  })

  /** Each with all that stand below it: the reason that is told is the strongest one. */
  const BELOW: readonly (readonly [PrimaryReason, Partial<Situation>])[] = [
    ['pinned', { isPinned: true }],
    ['forced-primary', { forced: 'primary' }],
    ['opt-in', { routing: 'opt-in' }],
    ['strong', { consistency: 'strong' }],
    ['after-write', { scope: WROTE }],
    ['no-replica', { topology: ALONE_AWAY }],
  ]
  it.each(BELOW.map(([reason], at) => ({ reason, at })))(
    'R7: $reason comes before what is weaker',
    ({ reason, at }) => {
      const changes = Object.assign({}, ...BELOW.slice(at).map(([, change]) => change))
      for (const transaction of [{}, held(), held({ isReadOnly: true })]) {
        expect(route(statement('read'), situation({ ...changes, ...transaction }))).toEqual({ route: 'replay', reason })
      }
    },
  )

  it('R7: what a statement needs is reported before how its reads are steered', () => {
    const strict = { routing: 'opt-in', consistency: 'strong', scope: WROTE, topology: ALONE_AWAY } as const
    for (const transaction of [{}, held(), held({ isReadOnly: true })]) {
      const where = situation({ ...strict, ...transaction })
      expect(route(statement('write'), where).reason).toBe('write')
      expect(route(statement('session'), where).reason).toBe('session')
      expect(route(statement('unknown'), where).reason).toBe('opt-in')
      expect(route(statement('unknown'), { ...where, routing: 'automatic' }).reason).toBe('strong')
    }
    const wrote = situation({ scope: WROTE, topology: ALONE_AWAY })
    expect(route(statement('unknown'), { ...wrote, isCatalogMissing: true }).reason).toBe('unknown')
    expect(route(statement('unknown'), { ...wrote, ...held() }).reason).toBe('unknown')
  })

  it('R8: opt-in routing reads from a replica only inside withReplica', () => {
    expect(route(statement('read'), situation({ routing: 'opt-in', topology: HOME })).reason).toBe('opt-in')
    expect(route(statement('read'), situation({ routing: 'opt-in', forced: 'replica' })).route).toBe('replica')
    expect(route(statement('read'), situation({ routing: 'opt-in', ...held({ isReadOnly: true }) })).reason).toBe(
      'opt-in',
    )
  })

  it('P1: a proven write is replayed away from home, and goes to the primary at home', () => {
    expect(route(statement('write'), situation())).toEqual({ route: 'replay', reason: 'write' })
    expect(route(statement('write'), situation({ topology: HOME }))).toEqual({ route: 'primary', reason: 'write' })
  })

  it('P4: a replay is never asked for at home, without a request, or with a blocker', () => {
    always((_given, where, { route: to }) => {
      if (to !== 'replay') return true
      return !where.topology.isAtHome && where.scope?.kind === 'request' && where.scope.blocker === undefined
    })
    const obstructed = { kind: 'request', hasWritten: false, blocker: 'forbidden' } as const
    expect(route(statement('write'), situation({ scope: obstructed }))).toEqual({
      route: 'impossible',
      reason: 'write',
    })
  })

  it('P4: in a stream that has begun a write is refused, and a read that no replica can answer crosses by itself', () => {
    const where = situation({ scope: STREAM })
    expect(route(statement('write'), where)).toEqual({ route: 'impossible', reason: 'write' })
    for (const reason of ['behind', 'seen-elsewhere', 'another-timeline', 'lagging', 'replica-lost'] as const) {
      expect(routeToPrimary(reason, where)).toEqual({ route: 'direct', reason })
      expect(routeToPrimary(reason, where, true)).toEqual({ route: 'impossible', reason })
      expect(routeToPrimary(reason, { ...where, writesOutsideRequest: 'throw' }).route).toBe('impossible')
      expect(routeToPrimary(reason, situation({ scope: { ...STREAM, hasBegunToAnswer: false } })).route).toBe(
        'impossible',
      )
    }
    const alone = { ...where, topology: ALONE_AWAY }
    expect(route(statement('read'), alone)).toEqual({ route: 'direct', reason: 'no-replica' })
    const unplaced = { ...where, isOwnWriteUnplaced: true }
    expect(route(statement('read'), unplaced)).toEqual({ route: 'direct', reason: 'after-write' })
    expect(route(statement('unknown'), where)).toEqual({ route: 'replica', reason: 'tried' })
    expect(route(statement('unknown'), unplaced)).toEqual({ route: 'impossible', reason: 'unknown' })
    for (const reason of ['refused', 'unknown', 'strong', 'forced-primary', 'session'] as const) {
      expect(routeToPrimary(reason, where).route).toBe('impossible')
    }
  })

  it('R4: a stream that has written comes home, as a job does; a request that has not answered yet does not', () => {
    const stream = { ...WROTE, hasBegunToAnswer: true }
    const where = situation({ topology: HOME, scope: stream, isOwnWriteUnplaced: true })
    expect(route(statement('read'), where)).toEqual({ route: 'primary', reason: 'after-write' })
    expect(route(statement('read'), { ...where, isOwnWriteUnplaced: false }).route).toBe('replica')
    expect(route(statement('read'), { ...where, scope: WROTE, isOwnWriteUnplaced: false }).reason).toBe('after-write')
  })

  it('P6: outside a request the app chooses between the wide network and an error', () => {
    for (const scope of [undefined, JOB]) {
      const where = situation({ scope, topology: AWAY })
      expect(route(statement('write'), where)).toEqual({ route: 'direct', reason: 'write' })
      expect(route(statement('write'), { ...where, writesOutsideRequest: 'throw' }).route).toBe('impossible')
      expect(route(statement('write'), { ...where, topology: HOME, writesOutsideRequest: 'throw' }).route).toBe(
        'primary',
      )
    }
  })
})
