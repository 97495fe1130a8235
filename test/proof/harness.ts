import diagnosticsChannel from 'node:diagnostics_channel'
import { Agent } from 'node:http'
import type { Consistency, FreshnessEvent } from '@headwater/core'
import type { Latency, ProxyEvent } from '@headwater/fly-proxy'
import { check, type Verdict } from './checker.ts'
import { Client, type Visit } from './client.ts'
import type { History, Operation } from './history.ts'
import { Random } from './random.ts'
import { Rig } from './rig.ts'
import { makeWeather, type WeatherReport } from './weather.ts'

export interface ProofOptions {
  /** How many operations the history has at least. */
  readonly operations: number
  readonly consistency: Consistency
  readonly trackReads: 'always' | 'with-token'
  /** ms; `undefined`: no limit. */
  readonly maxLag?: number | undefined
  readonly seed: number
  readonly clients: number
  /** How many requests each client has under way at once, as pages do. Default 1. */
  readonly parallel?: number | undefined
  readonly keys?: number | undefined
  /** Whether replicas lose their power now and then. Default `false`. */
  readonly hasCrashes?: boolean | undefined
  /** Whether small reads share connections (S4). Default `false`. */
  readonly lanes?: boolean | undefined
  /** Between regions. Default none, so that many operations take minutes. */
  readonly latency?: Latency | undefined
  readonly signal?: AbortSignal | undefined
  /** Called now and then with the number of operations so far. */
  readonly onProgress?: ((operations: number) => void) | undefined
}

export interface ProofResult {
  readonly history: History
  readonly verdict: Verdict
  /** The verdict on what the options promise: with `with-token` a session begins with its client's first write. */
  readonly promised: Verdict
  /** From the first request to the last answer, in seconds. */
  readonly seconds: number
  readonly requests: number
  /** Requests that were handed over to the primary's region. */
  readonly replays: number
  /** Reads that had a share of a connection. */
  readonly shared: number
  /** `FreshnessEvent`s, as `outcome, reason`: how often. */
  readonly freshness: ReadonlyMap<string, number>
  /** Requests that failed, by what they said. */
  readonly failures: ReadonlyMap<string, number>
  /** How long requests took, in ms, ascending. */
  readonly durations: { readonly reads: readonly number[]; readonly writes: readonly number[] }
  readonly weather: WeatherReport
}

const KEYS = 50
/** Which of each ten clients carry their token in a header, and which never write. */
const HEADERS: ReadonlySet<number> = new Set([0, 1, 2])
const READERS: ReadonlySet<number> = new Set([2, 5, 8])
const WRITES = 0.25

/** Runs clients against a real cluster whose replicas lag, and checks what they saw. Leaves nothing behind. */
export async function runProof(options: ProofOptions): Promise<ProofResult> {
  const {
    consistency,
    trackReads,
    maxLag,
    parallel = 1,
    keys = KEYS,
    latency = 'none',
    lanes = false,
    signal,
  } = options
  const random = new Random(options.seed)
  const freshness = new Map<string, number>()
  const failures = new Map<string, number>()
  await using rig = await Rig.open({ consistency, trackReads, maxLag, keys, latency, lanes, signal })
  let replays = 0
  const unsubscribe = rig.proxy.subscribe((event: ProxyEvent) => {
    if (event.type === 'request' && event.replays > 0) replays += 1
  })
  const onFreshness = (message: unknown): void => {
    const { outcome, reason } = message as FreshnessEvent
    count(freshness, `${outcome}, ${reason}`)
  }
  diagnosticsChannel.subscribe('headwater:freshness', onFreshness)
  // Few, and in turn: none may rest so long that its server closes it just when it is used.
  const agent = new Agent({ keepAlive: true, scheduling: 'fifo', maxFreeSockets: 8 })
  // Ends with the clients, whatever ends them.
  const over = new AbortController()
  const weather = makeWeather({
    cluster: rig.cluster,
    random: random.fork(),
    hasCrashes: options.hasCrashes ?? false,
    signal: over.signal,
  })
  weather.catch(() => undefined)
  try {
    const operations: Operation[] = []
    const durations = { reads: [] as number[], writes: [] as number[] }
    let requests = 0
    const note = (visit: Visit): void => {
      requests += 1
      for (const operation of visit.operations) operations.push(operation)
      durations[visit.isWrite ? 'writes' : 'reads'].push(visit.duration)
      if (visit.failure !== undefined) count(failures, visit.failure)
      if (requests % 5000 === 0) options.onProgress?.(operations.length)
    }
    const startedAt = performance.now()
    const clients = Array.from({ length: options.clients }, (_, index) => {
      const kind = index % 10
      return new Client({
        number: index + 1,
        usesHeader: HEADERS.has(kind),
        writes: READERS.has(kind) ? 0 : WRITES,
        keys,
        isParallel: parallel > 1,
        random: random.fork(),
        agent,
        urlOf: (region) => rig.proxy.edge(region).url,
        signal: signal ?? over.signal,
      })
    })
    await Promise.all(
      clients
        .flatMap((client) => Array<Client>(parallel).fill(client))
        .map(async (client) => {
          while (operations.length < options.operations && signal?.aborted !== true) note(await client.visit())
        }),
    )
    signal?.throwIfAborted()
    const seconds = (performance.now() - startedAt) / 1000
    over.abort()
    const history = { operations, log: await rig.log() }
    const verdict = check(history)
    for (const list of Object.values(durations)) list.sort((left, right) => left - right)
    return {
      history,
      verdict,
      promised: trackReads === 'always' ? verdict : check({ ...history, operations: sinceFirstWrite(operations) }),
      seconds,
      requests,
      replays,
      shared: rig.shared,
      freshness,
      failures,
      durations,
      weather: await weather,
    }
  } finally {
    over.abort()
    await weather.catch(() => undefined)
    agent.destroy()
    diagnosticsChannel.unsubscribe('headwater:freshness', onFreshness)
    unsubscribe()
  }
}

/** Without what each client read before it was told of a write: what was sent until then has no token. */
function sinceFirstWrite(operations: readonly Operation[]): Operation[] {
  const begins = new Map<number, number>()
  for (const { kind, outcome, client, completed } of operations) {
    if (kind === 'write' && outcome === 'ok') begins.set(client, Math.min(completed, begins.get(client) ?? completed))
  }
  return operations.filter(
    ({ kind, client, invoked }) => kind === 'write' || invoked >= (begins.get(client) ?? Number.POSITIVE_INFINITY),
  )
}

function count(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1)
}
