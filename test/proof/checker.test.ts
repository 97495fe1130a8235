import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { check, GUARANTEES, type Guarantee } from './checker.ts'
import type { History, LogEntry, Operation, Read, Write } from './history.ts'
import { Random } from './random.ts'

const NONE = { 'read-your-writes': 0, 'monotonic-reads': 0, 'monotonic-writes': 0, 'writes-follow-reads': 0 }
const UNHARMED = { lost: 0, doubled: 0, undead: 0, torn: 0 }

function read(client: number, invoked: number, completed: number, state: number, more: Partial<Read> = {}): Read {
  return {
    kind: 'read',
    outcome: 'ok',
    client,
    key: 1,
    invoked,
    completed,
    region: 'nrt',
    node: 'nrt-1',
    state,
    version: state,
    isFromReplica: true,
    ...more,
  }
}

/** Its `sequence` is its serial number: unique, and nothing more is asked of it. */
function write(client: number, invoked: number, completed: number, serial: number, more: Partial<Write> = {}): Write {
  return {
    kind: 'write',
    outcome: 'ok',
    client,
    key: 1,
    invoked,
    completed,
    region: 'nrt',
    node: 'primary',
    sequence: serial,
    serial,
    ...more,
  }
}

const logOf = (...writes: readonly Write[]): LogEntry[] =>
  writes.map(({ client, key, sequence, serial }) => ({ client, key, sequence, serial: serial ?? sequence }))

describe('a history made by hand', () => {
  it.each<[Guarantee, History]>([
    ['read-your-writes', { operations: [write(1, 0, 1, 1), read(1, 2, 3, 0)], log: logOf(write(1, 0, 1, 1)) }],
    [
      'monotonic-reads',
      { operations: [write(2, 0, 1, 1), read(1, 2, 3, 1), read(1, 4, 5, 0)], log: logOf(write(2, 0, 1, 1)) },
    ],
    [
      'monotonic-writes',
      { operations: [write(1, 0, 1, 2), write(1, 2, 3, 1)], log: logOf(write(1, 0, 1, 2), write(1, 2, 3, 1)) },
    ],
    [
      'writes-follow-reads',
      {
        operations: [write(2, 0, 1, 2), read(1, 2, 3, 2), write(1, 4, 5, 1)],
        log: logOf(write(2, 0, 1, 2), write(1, 4, 5, 1)),
      },
    ],
  ])('that breaks %s, and nothing else', (guarantee, history) => {
    const verdict = check(history)
    expect(verdict.violations).toEqual({ ...NONE, [guarantee]: 1 })
    expect(verdict.damage).toEqual(UNHARMED)
    const [earlier, operation] = history.operations.slice(-2)
    expect(verdict.examples).toEqual([{ guarantee, operation, earlier }])
  })

  it('that keeps them all', () => {
    const mine = write(1, 0, 1, 1)
    const other = write(2, 0, 5, 2)
    const operations = [mine, read(1, 2, 3, 1), other, read(1, 4, 5, 2), read(2, 6, 7, 2), write(1, 6, 7, 3)]
    const verdict = check({ operations, log: logOf(mine, other, write(1, 6, 7, 3)) })
    expect(verdict).toMatchObject({ violations: NONE, damage: UNHARMED, staleReads: 0 })
  })

  it('another key shows it too: a state is one of the whole database', () => {
    const mine = write(1, 0, 1, 1, { key: 7 })
    const operations = [mine, read(1, 2, 3, 0, { key: 8 })]
    expect(check({ operations, log: logOf(mine) }).violations).toEqual({ ...NONE, 'read-your-writes': 1 })
  })

  it('another client may lag behind: that is stale, and no violation', () => {
    const other = write(2, 0, 1, 1)
    const verdict = check({ operations: [other, read(1, 2, 3, 0)], log: logOf(other) })
    expect(verdict).toMatchObject({ violations: NONE, staleReads: 1 })
  })

  it('what overlaps has no order', () => {
    const mine = write(1, 0, 4, 1)
    const late = write(2, 0, 1, 2)
    const operations = [mine, read(1, 4, 5, 0), late, read(1, 3, 9, 2), read(1, 8, 9, 1)]
    expect(check({ operations, log: logOf(mine, late) }).violations).toEqual(NONE)
  })

  it('a write of unknown outcome obliges nobody, whether it happened or not', () => {
    const unknown = write(1, 0, 1, 2, { outcome: 'unknown', serial: undefined })
    const next = write(1, 2, 3, 1)
    const operations = [unknown, read(1, 1.5, 1.6, 0), next, read(1, 4, 5, 1)]
    const happened: LogEntry = { client: 1, key: 1, sequence: unknown.sequence, serial: 2 }
    expect(check({ operations, log: logOf(next) }).violations).toEqual(NONE)
    expect(check({ operations, log: [...logOf(next), happened] })).toMatchObject({ violations: NONE, damage: UNHARMED })
  })

  it('a write of unknown outcome that did happen comes behind what its client had done before', () => {
    const told = write(1, 0, 1, 2)
    const unknown = write(1, 2, 3, 1, { outcome: 'unknown', serial: undefined })
    const happened: LogEntry = { client: 1, key: 1, sequence: unknown.sequence, serial: 1 }
    const verdict = check({ operations: [told, read(1, 1.2, 1.4, 2), unknown], log: [happened, ...logOf(told)] })
    expect(verdict.violations).toEqual({ ...NONE, 'monotonic-writes': 1, 'writes-follow-reads': 1 })
  })

  it('what was lost, doubled, refused and done all the same, or torn', () => {
    const lost = write(1, 0, 1, 1)
    const moved = write(1, 2, 3, 2)
    const undead = write(1, 4, 5, 3, { outcome: 'failed', serial: undefined })
    const log: LogEntry[] = [
      { client: 1, key: 1, sequence: 2, serial: 4 },
      { client: 1, key: 1, sequence: 3, serial: 5 },
      { client: 9, key: 1, sequence: 1, serial: 6 },
      { client: 9, key: 1, sequence: 1, serial: 7 },
    ]
    const torn = [read(2, 0, 1, 7, { version: 6 }), read(3, 0, 1, 8, { version: 7 }), read(4, 0, 1, 5, { key: 2 })]
    const verdict = check({ operations: [lost, moved, undead, ...torn, read(5, 0, 1, 6)], log })
    expect(verdict.damage).toEqual({ lost: 2, undead: 1, doubled: 1, torn: 3 })
  })

  it('a history that was given up obliges nobody beyond what both have, and may not be read by who has seen the other', () => {
    const common = write(1, 0, 1, 1)
    const lost = write(1, 2, 3, 2, { sequence: 20 })
    const kept = write(2, 4, 5, 2)
    const log = logOf(common, kept)
    const stray = (client: number, at: number) => read(client, at, at + 0.5, 2, { author: '1/20', version: 2 })
    // Read and lost before: what comes after holds all that both histories have.
    const before = [common, lost, stray(1, 3.5), kept, read(1, 6, 7, 1, { author: '1/1', version: 1 })]
    expect(check({ operations: before, log })).toMatchObject({
      violations: NONE,
      damage: { ...UNHARMED, lost: 1 },
      strayReads: 1,
    })
    const after = [common, kept, read(1, 6, 7, 2, { author: '2/2', version: 2 }), stray(1, 8)]
    expect(check({ operations: after, log })).toMatchObject({
      violations: { ...NONE, 'monotonic-reads': 1 },
      damage: UNHARMED,
      strayReads: 1,
    })
  })

  it('a failed read shows nothing', () => {
    const mine = write(1, 0, 1, 1)
    const failed = read(1, 2, 3, 0, { outcome: 'failed', node: undefined })
    expect(check({ operations: [mine, failed], log: logOf(mine) })).toMatchObject({
      violations: NONE,
      damage: UNHARMED,
    })
  })
})

/** Counts by comparing each operation with each other. */
function bruteForce({ operations, log }: History): Record<Guarantee, number> {
  const counts = { ...NONE }
  const placeOf = (write: Write) =>
    log.find(({ client, sequence }) => client === write.client && sequence === write.sequence)?.serial
  for (const operation of operations) {
    const broken = new Set<Guarantee>()
    const place = operation.kind === 'read' ? operation.state : placeOf(operation)
    if (place === undefined || operation.outcome === 'failed') continue
    for (const earlier of operations) {
      if (earlier.client !== operation.client || earlier.outcome !== 'ok') continue
      if (earlier.completed >= operation.invoked) continue
      if (operation.kind === 'read') {
        if (earlier.kind === 'write' && place < (earlier.serial ?? 0)) broken.add('read-your-writes')
        if (earlier.kind === 'read' && place < earlier.state) broken.add('monotonic-reads')
      } else {
        if (earlier.kind === 'write' && place <= (earlier.serial ?? 0)) broken.add('monotonic-writes')
        if (earlier.kind === 'read' && place <= earlier.state) broken.add('writes-follow-reads')
      }
    }
    for (const guarantee of broken) counts[guarantee] += 1
  }
  return counts
}

interface Simulation {
  readonly seed: number
  readonly operations: number
  readonly clients: number
  /** How many writes a read may be behind, and how many places too early a write may be put. */
  readonly staleness: number
}

/** A store that is one copy when `staleness` is 0; clients overlap with each other and with themselves. */
function simulate({ seed, operations: count, clients, staleness }: Simulation): History {
  const random = new Random(seed)
  const plans = Array.from({ length: count }, (_, index) => {
    const invoked = random.between(0, count * 4) + random.next()
    const completed = invoked + random.between(1, 20) + random.next()
    const isWrite = random.chance(0.4)
    const outcome: Write['outcome'] = !isWrite || random.chance(0.8) ? 'ok' : random.chance(0.5) ? 'unknown' : 'failed'
    // One of unknown outcome may be done long after its client gave up, or never.
    const isDone = outcome === 'ok' || (outcome === 'unknown' && random.chance(0.5))
    const latest = completed + (outcome === 'unknown' ? 100 : 0)
    const at = invoked + random.next() * (latest - invoked)
    const common = { client: random.between(1, clients), key: random.between(1, 3), invoked, completed }
    return { ...common, isWrite, outcome, isDone, at, index }
  })
  const log: LogEntry[] = []
  const operations: Operation[] = []
  const writes: { readonly plan: (typeof plans)[number]; readonly position: number }[] = []
  const done = plans.toSorted((left, right) => left.at - right.at)
  for (const plan of done) {
    if (!plan.isWrite || !plan.isDone) continue
    writes.push({ plan, position: writes.length - random.between(0, staleness) * 1.001 })
  }
  const order = writes.toSorted((left, right) => left.position - right.position)
  for (const [index, { plan }] of order.entries()) {
    log.push({ serial: index + 1, key: plan.key, client: plan.client, sequence: plan.index })
  }
  let committed = 0
  for (const plan of done) {
    const { client, key, invoked, completed, isWrite, outcome, isDone, index } = plan
    if (isWrite) {
      if (isDone) committed += 1
      const serial = log.find(({ sequence }) => sequence === index)?.serial
      const told = outcome === 'ok' ? serial : undefined
      operations.push(write(client, invoked, completed, 0, { key, sequence: index, serial: told, outcome }))
    } else {
      const state = Math.max(0, committed - random.between(0, staleness))
      const version = log.findLast((entry) => entry.key === key && entry.serial <= state)?.serial ?? 0
      operations.push(read(client, invoked, completed, state, { key, version }))
    }
  }
  return { operations, log }
}

describe('a simulated store', () => {
  const seeds = fc.record({
    seed: fc.integer({ min: 0, max: 2 ** 31 }),
    operations: fc.integer({ min: 0, max: 150 }),
    clients: fc.integer({ min: 1, max: 6 }),
  })

  it('of one copy never violates anything', () => {
    fc.assert(
      fc.property(seeds, (simulation) => {
        const verdict = check(simulate({ ...simulation, staleness: 0 }))
        expect(verdict).toMatchObject({ violations: NONE, damage: UNHARMED, staleReads: 0 })
      }),
      { numRuns: 300 },
    )
  })

  it('with random staleness is caught as often as by comparing everything with everything', () => {
    const totals = { ...NONE }
    fc.assert(
      fc.property(seeds, fc.integer({ min: 1, max: 20 }), (simulation, staleness) => {
        const history = simulate({ ...simulation, staleness })
        const { violations, damage } = check(history)
        expect(violations).toEqual(bruteForce(history))
        expect(damage).toEqual(UNHARMED)
        for (const guarantee of GUARANTEES) totals[guarantee] += violations[guarantee]
      }),
      { numRuns: 300 },
    )
    // A property that finds nothing to count would hold too.
    for (const guarantee of GUARANTEES) expect(totals[guarantee]).toBeGreaterThan(100)
  })

  it('200,000 operations take seconds', () => {
    const operations: Operation[] = []
    const writes: Write[] = []
    for (let n = 0; n < 200_000; n += 1) {
      const client = n % 64
      if (n % 4 > 0) operations.push(read(client, n, n + 0.5, writes.length))
      else {
        const next = write(client, n, n + 0.5, writes.length + 1)
        writes.push(next)
        operations.push(next)
      }
    }
    const startedAt = performance.now()
    const verdict = check({ operations, log: logOf(...writes) })
    expect(verdict).toMatchObject({ violations: NONE, damage: UNHARMED, staleReads: 0 })
    expect(performance.now() - startedAt).toBeLessThan(10_000)
  })
})
