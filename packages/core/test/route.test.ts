import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isTried, route, type Situation } from '../src/internal.ts'
import { anySituation, anyStatement, HOME, situation, statement } from './statements.ts'

const always = (check: (access: ReturnType<typeof statement>, where: Situation) => boolean) =>
  fc.assert(fc.property(anyStatement, anySituation, check), { numRuns: 5000 })

const TRIED = route(statement('unknown'), situation())

const NO_MODES = { isolation: undefined, isReadOnly: undefined, isDeferrable: undefined }

describe('route', () => {
  it('R1: a proven write or session statement never goes to a replica', () => {
    always(
      (given, where) =>
        given.access === 'read' || given.access === 'unknown' || route(given, where).route !== 'replica',
    )
  })

  it('R1: an unknown statement is tried on a replica only away from home and alone, unless the app forces it or said READ ONLY', () => {
    always((given, where) => {
      if (given.access !== 'unknown' || where.forced === 'replica') return true
      const { transaction } = where
      const isReadOnly =
        (transaction.phase === 'open' && transaction.isReadOnly) ||
        (transaction.phase === 'held' && transaction.modes.isReadOnly === true)
      if (isReadOnly) return true
      const isTriedHere = route(given, where).route === 'replica'
      const isVouchedFor = !where.isCatalogMissing || given.because === 'override'
      return !isTriedHere || (transaction.phase === 'none' && !where.topology.isAtHome && isVouchedFor)
    })
  })

  it('X1: nothing is merely tried where no session is forced read-only, and what is proven runs as before', () => {
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

  it('X1: the decision is to try exactly what is merely tried', () => {
    always((given, where) => {
      const decision = route(given, where)
      return decision.route !== 'replica' || isTried(given, where) === (decision.reason === 'tried')
    })
  })

  it('R1: what is newer than the catalog is tried on no replica, unless the app forces it or its transaction there is READ ONLY', () => {
    always((given, where) => {
      const { transaction } = where
      const isNewer =
        given.because === 'newer-than-catalog' || (where.isCatalogOutdated && given.because !== 'override')
      const isOpenReadOnly = transaction.phase === 'open' && transaction.isReadOnly
      if (!isNewer || where.forced === 'replica' || isOpenReadOnly || given.control !== undefined) return true
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
    always((given, where) => {
      if (where.transaction.phase !== 'open') return true
      const { route: to } = route(given, where)
      return where.transaction.on === 'primary'
        ? to === 'primary' || to === 'direct'
        : to !== 'primary' && to !== 'direct'
    })
  })

  it('R3: a read that must run at the primary never gets the answer of the replica that its transaction is on', () => {
    always((given, where) => {
      const isOnReplica = where.transaction.phase === 'open' && where.transaction.on === 'replica'
      if (!isOnReplica || where.consistency !== 'strong' || where.forced === 'replica') return true
      return given.control !== undefined || given.access === 'session' || route(given, where).route !== 'replica'
    })
    const open = { phase: 'open' as const, on: 'replica' as const, isReadOnly: true }
    const strong = { consistency: 'strong' as const, transaction: open }
    expect(route(statement('read'), situation(strong))).toEqual({ route: 'replay', reason: 'strong' })
    const refused = { route: 'refuse', reason: 'transaction-on-replica' }
    expect(route(statement('read'), situation({ ...strong, topology: HOME }))).toEqual(refused)
    expect(route(statement('read'), situation({ ...strong, scope: undefined }))).toEqual(refused)
  })

  it('R3: SERIALIZABLE and READ WRITE are never tried on a replica', () => {
    always((given, where) => {
      const { transaction } = where
      if (transaction.phase !== 'held') return true
      const isOutOfReach = transaction.modes.isolation === 'serializable' || transaction.modes.isReadOnly === false
      return !isOutOfReach || route(given, where).route !== 'replica'
    })
  })

  it.each([
    ['READ ONLY away', { isReadOnly: true }, situation(), 'replica', 'read-only-transaction'],
    ['READ ONLY at home', { isReadOnly: true }, situation({ topology: HOME }), 'replica', 'read-only-transaction'],
    ['plain BEGIN away, a read first', {}, situation(), 'replica', 'undecided-transaction'],
    ['plain BEGIN at home', {}, situation({ topology: HOME }), 'primary', 'read-write-transaction'],
    ['plain BEGIN away, outside a request', {}, situation({ scope: undefined }), 'direct', 'read-write-transaction'],
    ['SERIALIZABLE away', { isolation: 'serializable' as const }, situation(), 'replay', 'serializable'],
  ])('R3: %s', (_name, modes, where, to, reason) => {
    const held = { ...where, transaction: { phase: 'held' as const, modes: { ...NO_MODES, ...modes } } }
    expect(route(statement('read'), held)).toEqual({ route: to, reason })
  })

  it('R4: after a write in the scope every read that stands alone goes to the primary', () => {
    always((given, where) => {
      if (
        where.scope?.hasWritten !== true ||
        where.mode !== 'safe' ||
        where.consistency === 'eventual' ||
        where.forced === 'replica'
      )
        return true
      return where.transaction.phase === 'open' || route(given, where).route !== 'replica'
    })
  })

  it('R6: nothing inside withPrimary reads on a replica, and no write inside withReplica reaches a database', () => {
    always((given, where) => {
      const { route: to } = route(given, where)
      // What steers a transaction, or is its own, stays in it.
      const isOfTransaction = given.control !== undefined || given.access === 'session'
      if (where.forced === 'primary') return to !== 'replica' || (where.transaction.phase === 'open' && isOfTransaction)
      if (where.forced !== 'replica' || given.access !== 'write' || where.isPinned) return true
      return where.transaction.phase === 'open' && where.transaction.on === 'primary' ? true : to === 'refuse'
    })
  })

  it('R7: a decision is one of a closed set of frozen objects', () => {
    const seen = new Set<unknown>()
    always((given, where) => Object.isFrozen(route(given, where)) && seen.add(route(given, where)).size < 70)
  })

  it('R8: explicit mode reads from a replica only inside withReplica; eventual mode ignores what was written', () => {
    expect(route(statement('read'), situation({ mode: 'explicit', topology: HOME })).reason).toBe('explicit-mode')
    expect(route(statement('read'), situation({ mode: 'explicit', forced: 'replica' })).route).toBe('replica')
    const wrote = { kind: 'request' as const, hasWritten: true, obstacle: undefined }
    expect(route(statement('read'), situation({ mode: 'eventual', scope: wrote })).route).toBe('replica')
  })

  it('P1: a proven write away from home asks for the replay, and at home goes to the primary', () => {
    expect(route(statement('write'), situation())).toEqual({ route: 'replay', reason: 'write' })
    expect(route(statement('write'), situation({ topology: HOME }))).toEqual({ route: 'primary', reason: 'write' })
  })

  it('P4: a replay is never asked for at home, without a request, or against an obstacle', () => {
    always((given, where) => {
      if (route(given, where).route !== 'replay') return true
      return !where.topology.isAtHome && where.scope?.kind === 'request' && where.scope.obstacle === undefined
    })
  })

  it('P6: outside a request the app chose between the wide network and an error', () => {
    expect(route(statement('write'), situation({ scope: undefined })).route).toBe('direct')
    expect(route(statement('write'), situation({ scope: undefined, outsideRequest: 'throw' })).route).toBe('impossible')
  })
})
