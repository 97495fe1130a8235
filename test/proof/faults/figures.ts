import { check, GUARANTEES, type Verdict } from '../checker.ts'
import type { History, Operation } from '../history.ts'
import type { Replication } from './fault-rig.ts'
import type { FaultName } from './faults.ts'

/** What one fault has done, in figures that are kept. */
export interface FaultFigures {
  readonly fault: FaultName
  readonly replication: Replication
  readonly operations: number
  /** Acknowledged writes that are gone, and must not be. */
  readonly lost: number
  /** Acknowledged by an asynchronous primary that was replaced before a replica, or its clients, knew: nobody can keep these. */
  readonly givenUp: number
  readonly doubled: number
  /** Told that it was not done, and it was. */
  readonly undead: number
  readonly halfCommitted: number
  /** Reads that break a session's guarantee, or show two states at once. */
  readonly stale: number
  /** Handlers that had not settled 15 s after the last fault. */
  readonly unsettled: number
  /** Requests that got no HTTP answer. */
  readonly unanswered: number
  readonly failedReads: number
  /** Writing requests that failed, those of unknown outcome included. */
  readonly failedWrites: number
  /** The longest time in which no read was answered in some region, and in which no write was, in ms. */
  readonly withoutReadsMillis: number
  readonly withoutWritesMillis: number
  readonly slowestReadMillis: number
}

/** What clients and the rig have seen of one fault. */
export interface FaultEvidence {
  readonly fault: FaultName
  readonly replication: Replication
  readonly history: History
  readonly startedAt: number
  readonly endedAt: number
  /** When all instances went by the promotion; `undefined` when there was none. */
  readonly fencedAt: number | undefined
  readonly halfCommitted: number
  readonly unsettled: number
  readonly requests: readonly {
    readonly isWrite: boolean
    readonly failure: string | undefined
    readonly duration: number
  }[]
}

/** Judges one fault. */
export function judge(evidence: FaultEvidence): { readonly figures: FaultFigures; readonly verdict: Verdict } {
  const { fault, replication, history, requests, fencedAt, startedAt, endedAt } = evidence
  const verdict = check(history)
  const kept = new Set(history.log.map(({ client, sequence, serial }) => `${client}/${sequence}/${serial}`))
  // Only what was sent before everybody knew can be given up, and only where nobody waits for a replica.
  const mayBeGivenUp = (one: Operation): boolean =>
    replication === 'asynchronous' && fencedAt !== undefined && one.invoked < fencedAt
  const givenUp = history.operations.filter(
    (one) =>
      one.kind === 'write' &&
      one.outcome === 'ok' &&
      !kept.has(`${one.client}/${one.sequence}/${one.serial}`) &&
      mayBeGivenUp(one),
  ).length
  const failed = (isWrite: boolean): number =>
    requests.filter((request) => request.isWrite === isWrite && request.failure !== undefined).length
  const reads = requests.filter(({ isWrite, failure }) => !isWrite && failure === undefined)
  const figures: FaultFigures = {
    fault,
    replication,
    operations: history.operations.length,
    lost: verdict.damage.lost - givenUp,
    givenUp,
    doubled: verdict.damage.doubled,
    undead: verdict.damage.undead,
    halfCommitted: evidence.halfCommitted,
    stale: GUARANTEES.reduce((sum, guarantee) => sum + verdict.violations[guarantee], verdict.damage.torn),
    unsettled: evidence.unsettled,
    unanswered: requests.filter(({ failure }) => failure !== undefined && !/^\d{3} /.test(failure)).length,
    failedReads: failed(false),
    failedWrites: failed(true),
    withoutReadsMillis: longestGap(history.operations, 'read', startedAt, endedAt),
    withoutWritesMillis: longestGap(history.operations, 'write', startedAt, endedAt),
    slowestReadMillis: Math.round(Math.max(0, ...reads.map(({ duration }) => duration))),
  }
  return { figures, verdict }
}

/** What must be 0 whatever the fault. */
export const ZEROES = [
  'lost',
  'doubled',
  'undead',
  'halfCommitted',
  'stale',
  'unsettled',
] as const satisfies readonly (keyof FaultFigures)[]

/** Reads of each region, writes of all: a region with no client in it has no gap. */
function longestGap(operations: readonly Operation[], kind: Operation['kind'], from: number, to: number): number {
  const times = new Map<string, number[]>()
  for (const one of operations) {
    if (one.kind !== kind || one.outcome !== 'ok' || (one.kind === 'write' && one.serial === undefined)) continue
    const region = kind === 'read' ? one.region : 'all'
    const list = times.get(region)
    if (list === undefined) times.set(region, [one.completed])
    else list.push(one.completed)
  }
  let longest = times.size === 0 ? to - from : 0
  for (const list of times.values()) {
    let last = from
    for (const time of [...list.sort((left, right) => left - right), to]) {
      longest = Math.max(longest, time - last)
      last = time
    }
  }
  return Math.round(longest)
}
