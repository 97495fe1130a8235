import { setTimeout as delay } from 'node:timers/promises'
import type { RequestBody } from '../http/request-body.ts'
import type { Hop, ProxyErrorCode } from '../report/events.ts'
import { orderCandidates, type Target } from '../routing/target.ts'
import type { Machine } from '../world/machine.ts'
import type { World } from '../world/world.ts'
import { type Answer, type Envelope, send } from './upstream.ts'

/** Fly gives up after this many attempts. Ours are spread over the time for which it looks for a machine. */
const maxRetries = 90

export interface Errand {
  readonly target: Target
  readonly purpose: Hop['purpose']
  /** The region whose edge does the work. */
  readonly from: string
  /** How long to look for a connection. Default: `noCandidateWaitMillis`. */
  readonly timeoutMillis?: number | undefined
  readonly body: RequestBody
  readonly signal: AbortSignal
  /** The request as the given machine should get it. */
  readonly envelope: (machine: Machine) => Envelope
  /** Milliseconds since the request's arrival. */
  readonly elapsedMillis: () => number
  /** Gets one record per visit. A machine that refuses repeatedly makes one record. */
  readonly hops: Draft<Hop>[]
}

/** A hop that is still under way. */
export type Draft<T> = { -readonly [K in keyof T]: T[K] }

/** A machine answered. `leave` ends the request's place on it. */
export interface Answered {
  readonly kind: 'answered'
  readonly machine: Machine
  readonly answer: Answer
  readonly hop: Draft<Hop>
  readonly leave: () => void
}

/** No machine accepted a connection in time. */
export interface Unreachable {
  readonly kind: 'unreachable'
  readonly reason: 'timeout' | 'retries_exhausted' | 'no_candidate'
  readonly code: ProxyErrorCode
  readonly message: string
  /** Whether every machine was at its hard limit. */
  readonly isFull: boolean
}

export type Outcome =
  | Answered
  | Unreachable
  /** A machine accepted the request and broke off: it may have done the work. */
  | { readonly kind: 'broken'; readonly machine: Machine; readonly message: string }

/** Takes a request to the best machine that accepts a connection, and tries again until one does or the time is up. Rejects only when aborted. */
export async function dispatch(world: World, errand: Errand): Promise<Outcome> {
  const { noCandidateWaitMillis, stoppedMachines } = world.settings
  const waitMillis = errand.timeoutMillis ?? noCandidateWaitMillis
  const deadline = performance.now() + waitMillis
  const distanceTo = (region: string): number => world.distance(errand.from, region)
  let blocker: 'none there' | 'full' | 'refused' = 'none there'
  for (;;) {
    const machines = world.knownMachines(errand.target.app)
    const candidates = orderCandidates(errand.target, machines, distanceTo, stoppedMachines)
    for (const machine of candidates) {
      const isCutOff = world.downRegions.has(machine.region) || (world.isFailingReplays && errand.purpose === 'replay')
      if (isCutOff) {
        blocker = 'refused'
        noteFailure(errand, machine, world.downRegions.has(machine.region) ? 'region down' : 'replays fail')
      } else if (machine.isFull) {
        blocker = 'full'
        noteFailure(errand, machine, 'hard limit')
      } else {
        const outcome = await visit(world, errand, machine, deadline, candidates.length > 1)
        if (outcome !== undefined) return outcome
        blocker = 'refused'
      }
    }
    const left = deadline - performance.now()
    if (left <= 0) break
    await delay(Math.ceil(Math.min(left, waitMillis / maxRetries)), undefined, { signal: errand.signal })
  }
  if (blocker === 'none there') {
    return {
      kind: 'unreachable',
      reason: 'no_candidate',
      code: 'PR01',
      message: 'no known healthy instances found for route',
      isFull: false,
    }
  }
  const cause = errand.hops.findLast(({ connectFailure }) => connectFailure !== undefined)?.connectFailure?.reason
  return {
    kind: 'unreachable',
    reason: errand.timeoutMillis === undefined ? 'retries_exhausted' : 'timeout',
    // PR03 shows the cause of the latest failure; PR04 is for failures without one.
    code: cause === undefined ? 'PR04' : 'PR03',
    message: `could not find a good candidate within ${maxRetries} attempts at load balancing${cause === undefined ? '' : `. last error: ${cause}`}`,
    isFull: blocker === 'full',
  }
}

/** Tries one machine once. Undefined when it accepted no connection. */
async function visit(
  world: World,
  errand: Errand,
  machine: Machine,
  deadline: number,
  hasOthers: boolean,
): Promise<Outcome | undefined> {
  const startedMillis = errand.elapsedMillis()
  const leave = machine.occupy()
  try {
    let wakeMillis: number | undefined
    if (machine.hasToWake) {
      // Whoever takes it for a running one does not start it. Fly's code for that is for where others can take the request.
      const refusal = hasOthers ? 'not running any more (PM11)' : 'not running any more'
      const failure = machine.isStopped ? await wake(world, machine, deadline, errand.signal) : refusal
      if (failure !== undefined) {
        leave()
        noteFailure(errand, machine, failure, startedMillis)
        return undefined
      }
      wakeMillis = errand.elapsedMillis() - startedMillis
    }
    const roundTripMillis = world.roundTrip(errand.from, machine.region)
    const sent = await send(machine, errand.envelope(machine), {
      body: errand.body,
      oneWayMillis: roundTripMillis / 2,
      // Best effort, as on Fly: even the last attempt gets 50 ms.
      connectMillis: Math.max(50, deadline - performance.now()),
      signal: errand.signal,
    })
    if (sent.kind === 'refused') {
      leave()
      noteFailure(errand, machine, sent.reason, startedMillis)
      return undefined
    }
    const hop: Draft<Hop> = {
      ...{ app: machine.app, machine: machine.id, region: machine.region, purpose: errand.purpose },
      ...{
        startedMillis,
        endedMillis: errand.elapsedMillis(),
        roundTripMillis,
        ...(wakeMillis !== undefined && { wakeMillis }),
      },
    }
    errand.hops.push(hop)
    if (sent.kind === 'broken') {
      leave()
      return { kind: 'broken', machine, message: `could not complete HTTP request to instance: ${sent.reason}` }
    }
    if (sent.answer.response.statusCode !== undefined) hop.status = sent.answer.response.statusCode
    return { kind: 'answered', machine, answer: sent.answer, hop, leave }
  } catch (error) {
    leave()
    throw error
  }
}

async function wake(
  world: World,
  machine: Machine,
  deadline: number,
  signal: AbortSignal,
): Promise<string | undefined> {
  const late = new AbortController()
  // The machine keeps waking after this request gave up: the next one finds it running.
  const waking = machine.wake(machine.wakeMillis ?? world.settings.wakeMillis, world.closing.signal).then(
    () => undefined,
    () => 'could not be woken',
  )
  const leftMillis = Math.max(0, deadline - performance.now())
  const giveUp = delay(leftMillis, 'still waking', { signal: AbortSignal.any([late.signal, signal]) })
  try {
    return await Promise.race([waking, giveUp])
  } finally {
    late.abort()
    giveUp.catch(() => {})
  }
}

/** Records a refusal. Refusals by one machine for one reason, since the last answer, share one record. */
function noteFailure(
  errand: Errand,
  machine: Machine,
  reason: string,
  startedMillis: number = errand.elapsedMillis(),
): void {
  const { hops, purpose } = errand
  const endedMillis = errand.elapsedMillis()
  const sinceAnswer = hops.slice(hops.findLastIndex(({ connectFailure }) => connectFailure === undefined) + 1)
  const same = sinceAnswer.find(
    (hop) => hop.machine === machine.id && hop.purpose === purpose && hop.connectFailure?.reason === reason,
  )
  if (same?.connectFailure) {
    same.endedMillis = endedMillis
    same.connectFailure = { reason, attempts: same.connectFailure.attempts + 1 }
    return
  }
  hops.push({
    ...{
      app: machine.app,
      machine: machine.id,
      region: machine.region,
      purpose,
      startedMillis,
      endedMillis,
      roundTripMillis: 0,
    },
    connectFailure: { reason, attempts: 1 },
  })
}
