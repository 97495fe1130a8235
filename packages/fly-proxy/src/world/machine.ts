import { Agent, type ClientRequest } from 'node:http'
import type { Duplex } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import type { MachineOptions } from '../options/options.ts'
import type { MachineEvent } from '../report/events.ts'
import type { Candidate } from '../routing/target.ts'

type MachineState = 'stopped' | 'starting' | 'started'

let uses = 0

/** More changes than that within the time that knowledge is stale are not told apart. */
const MOST_REMEMBERED = 16

/** A machine while the proxy runs: whether it is stopped, how busy it is, and the connections to it. */
export class Machine implements Candidate {
  readonly id: string
  readonly app: string
  readonly region: string
  readonly url: URL
  readonly agent: Agent = new Agent({ keepAlive: true })
  readonly wakeMillis: number | undefined
  hardLimit: number
  /** For how long the proxy goes on with what it knew of this machine. */
  staleMillis = 0
  activeRequests = 0
  lastUse = 0
  readonly #connections = new Set<ClientRequest | Duplex>()
  readonly #callWake: () => Promise<void>
  readonly #report: (event: MachineEvent) => void
  readonly #softLimit: number
  #state: MachineState
  /** What it was before, and until when: newest last. */
  readonly #past: { readonly state: MachineState; readonly until: number }[] = []
  #waking: Promise<void> | undefined

  constructor(app: string, options: MachineOptions, report: (event: MachineEvent) => void) {
    this.id = options.id
    this.app = app
    this.region = options.region
    this.url = new URL(options.url)
    this.wakeMillis = options.wakeMillis
    this.#softLimit = options.softLimit ?? Number.POSITIVE_INFINITY
    this.hardLimit = options.hardLimit ?? Number.POSITIVE_INFINITY
    this.#callWake = options.wake ?? (async () => {})
    this.#state = options.isStopped === true ? 'stopped' : 'started'
    this.#report = report
  }

  get isStopped(): boolean {
    const knownAt = performance.now() - this.staleMillis
    const known = this.#past.find(({ until }) => until > knownAt)?.state ?? this.#state
    return known !== 'started'
  }

  /** Whether it is stopped in truth, whatever the proxy knows. */
  get hasToWake(): boolean {
    return this.#state !== 'started'
  }

  get isOverSoftLimit(): boolean {
    return this.activeRequests >= this.#softLimit
  }

  get isFull(): boolean {
    return this.activeRequests >= this.hardLimit
  }

  /** Stops the machine: the next request has to wake it. Requests under way may finish. */
  stop(): void {
    if (this.#state !== 'stopped') this.#enter('stopped')
  }

  /** Wakes the machine. Takes `milliseconds`, or as long as its `wake` callback if that is longer. Concurrent callers share one wake. */
  wake(milliseconds: number, signal: AbortSignal): Promise<void> {
    this.#waking ??= this.#wakeUp(milliseconds, signal).finally(() => {
      this.#waking = undefined
    })
    return this.#waking
  }

  async #wakeUp(milliseconds: number, signal: AbortSignal): Promise<void> {
    if (this.#state === 'started') return
    this.#enter('starting')
    try {
      await Promise.all([delay(milliseconds, undefined, { signal }), this.#callWake()])
      this.#enter('started')
    } catch (error) {
      this.#enter('stopped')
      throw error
    }
  }

  /** Counts one more request. Call the returned function when it ends; a second call does nothing. */
  occupy(): () => void {
    this.activeRequests += 1
    uses += 1
    this.lastUse = uses
    let isOccupied = true
    return () => {
      if (isOccupied) this.activeRequests -= 1
      isOccupied = false
    }
  }

  /** Watches a connection until it closes, so that it can be cut. */
  track(connection: ClientRequest | Duplex): void {
    this.#connections.add(connection)
    connection.once('close', () => this.#connections.delete(connection))
  }

  /** Cuts every connection, as a power failure would. */
  sever(): void {
    for (const connection of this.#connections) connection.destroy(new Error(`machine ${this.id} is gone`))
    this.agent.destroy()
  }

  #enter(state: MachineState): void {
    this.#past.push({ state: this.#state, until: performance.now() })
    if (this.#past.length > MOST_REMEMBERED) this.#past.shift()
    this.#state = state
    this.#report({ type: 'machine', machine: this.id, region: this.region, state })
  }
}
