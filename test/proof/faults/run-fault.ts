import { Agent } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Verdict } from '../checker.ts'
import { Client } from '../client.ts'
import type { Operation } from '../history.ts'
import type { Random } from '../random.ts'
import { REGIONS } from '../rig.ts'
import { type FaultRig, KEYS, type Replication } from './fault-rig.ts'
import { FAULTS, type Fault, type FaultName } from './faults.ts'
import { type FaultEvidence, type FaultFigures, judge } from './figures.ts'

export interface FaultRunOptions {
  readonly fault: FaultName
  readonly replication: Replication
  /** How many operations its clients do at least. */
  readonly operations: number
  readonly clients: number
  /** The number of the first client: on one rig none may come twice. */
  readonly firstClient: number
  readonly holdMillis: number
  readonly random: Random
  readonly signal: AbortSignal
}

export interface FaultResult {
  readonly figures: FaultFigures
  readonly verdict: Verdict
  /** Requests that failed, by what they said. */
  readonly failures: ReadonlyMap<string, number>
}

/** Which of each ten clients carry their token in a header, and which never write. */
const HEADERS: ReadonlySet<number> = new Set([0, 1, 2])
const READERS: ReadonlySet<number> = new Set([2, 5, 8])
const WRITES = 0.3
const WARM_MILLIS = 500
/** How long reads and writes may take to come back everywhere once a fault is over, in ms. */
const RECOVERY_MILLIS = 20_000

/** Has clients read and write while a fault strikes, once or again and again, and judges what they saw. */
export async function runFault(rig: FaultRig, options: FaultRunOptions): Promise<FaultResult> {
  const { fault: name, replication, random, holdMillis } = options
  const fault: Fault = FAULTS[name]
  const operations: Operation[] = []
  const requests: FaultEvidence['requests'][number][] = []
  const agent = new Agent({ keepAlive: true, scheduling: 'fifo', maxFreeSockets: 8 })
  const stop = new AbortController()
  let isOver = false
  const startedAt = performance.now()
  const running = Array.from({ length: options.clients }, async (_, index) => {
    const client = new Client({
      number: options.firstClient + index,
      usesHeader: HEADERS.has(index % 10),
      writes: READERS.has(index % 10) ? 0 : WRITES,
      keys: KEYS,
      isParallel: false,
      random: random.fork(),
      agent,
      urlOf: (region) => `http://127.0.0.1:${rig.edges[region].port}`,
      signal: AbortSignal.any([stop.signal, options.signal]),
    })
    while (!isOver) {
      const visit = await client.visit()
      for (const operation of visit.operations) operations.push(operation)
      requests.push({ isWrite: visit.isWrite, failure: visit.failure, duration: visit.duration })
      // Who is refused asks again, but not at once: a refusal takes no time.
      if (visit.failure !== undefined) await sleep(20)
    }
  })
  try {
    await sleep(WARM_MILLIS)
    do {
      options.signal.throwIfAborted()
      await fault.strike(rig, { holdMillis, random })
      await untilWell(operations, options.signal)
    } while (!fault.isPromotion && operations.length < options.operations)
    while (operations.length < options.operations) {
      options.signal.throwIfAborted()
      await sleep(50)
    }
    isOver = true
    const endedAt = performance.now()
    await Promise.all(running)
    const unsettled = (await Promise.all(rig.instances.map((instance) => instance.unsettled()))).reduce(
      (sum, one) => sum + one,
      0,
    )
    const history = { operations, log: await rig.log() }
    const { fencedAt } = rig
    const halfCommitted = await rig.halfCommitted()
    const evidence = {
      fault: name,
      replication,
      history,
      requests,
      startedAt,
      endedAt,
      fencedAt,
      halfCommitted,
      unsettled,
    }
    return { ...judge(evidence), failures: countFailures(requests) }
  } finally {
    isOver = true
    stop.abort(new Error('the run is over'))
    await rig.healAll()
    await Promise.allSettled(running)
    agent.destroy()
  }
}

/** Waits until every region reads again, and somebody writes. */
async function untilWell(operations: readonly Operation[], signal: AbortSignal): Promise<void> {
  const from = operations.length
  const since = performance.now()
  const missing = new Set<string>([...REGIONS, 'writes'])
  for (let next = from; missing.size > 0; await sleep(10)) {
    signal.throwIfAborted()
    for (; next < operations.length; next += 1) {
      const one = operations[next]
      if (one?.outcome !== 'ok' || one.invoked < since) continue
      missing.delete(one.kind === 'read' ? one.region : 'writes')
    }
    if (performance.now() - since > RECOVERY_MILLIS) {
      throw new Error(`${RECOVERY_MILLIS} ms after the fault there are still none: ${[...missing].join(', ')}`)
    }
  }
}

function countFailures(requests: FaultEvidence['requests']): Map<string, number> {
  const counts = new Map<string, number>()
  for (const { failure, isWrite } of requests) {
    if (failure === undefined) continue
    const name = `${isWrite ? 'write' : 'read'}: ${failure.split('\n')[0]?.slice(0, 120)}`
    counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  return counts
}
