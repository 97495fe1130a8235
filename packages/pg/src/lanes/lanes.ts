import type { ServerStatements } from '../driver/prepare/server-statements.ts'
import type { TextRecord } from '../driver/prepare/text-record.ts'
import { chooseLane } from './choose-lane.ts'
import { Lane, type LaneSource, type SharedRead } from './lane.ts'

/** A server, as its lanes see it. */
export interface LanesSource<Role> extends LaneSource<Role> {
  /** How many callers wait for a connection of its pool. */
  readonly waiting: () => number
  /** Whether the installed driver sends a query before the last one is answered. */
  readonly canPipeline: boolean
}

/** The connections of one server that small hot reads share (S4). */
export class Lanes<Role> {
  readonly #source: LanesSource<Role>
  readonly #statements: ServerStatements
  readonly #most: number
  readonly #lanes = new Set<Lane<Role>>()
  /** How many reads have had a share. */
  served = 0

  constructor(source: LanesSource<Role>, statements: ServerStatements, most: number) {
    this.#source = source
    this.#statements = statements
    this.#most = most
  }

  /** Whether the installed driver can send ahead. */
  get canPipeline(): boolean {
    return this.#source.canPipeline
  }

  /** How many connections are shared now. */
  get size(): number {
    return this.#lanes.size
  }

  /** How many reads share them now. */
  get reads(): number {
    let reads = 0
    for (const lane of this.#lanes) reads += lane.reads
    return reads
  }

  /** Whether a read might share a connection. */
  wants(text: string): boolean {
    return this.#preparedOf(text) !== undefined
  }

  #preparedOf(text: string): TextRecord | undefined {
    if (this.#statements.isOff) return undefined
    const record = this.#statements.known(text)
    return record !== undefined && this.#statements.isPrepared(record) ? record : undefined
  }

  /** Gives a read its share of a connection; `false` when it must take one of its own. */
  take(text: string, taken: SharedRead<Role>['taken'], failed: SharedRead<Role>['failed']): boolean {
    const record = this.#preparedOf(text)
    if (record === undefined) return false
    const now = performance.now()
    if (!record.pace.isFast(now) || !this.canPipeline) return false
    const limits = {
      most: this.#most,
      usualMillis: this.#statements.answers.millis ?? 0,
      isPoolShort: this.#source.waiting() > this.#opening,
    }
    const chosen = chooseLane(this.#lanes, limits, now)
    if (chosen === undefined) return false
    const lane =
      chosen === 'new' ? new Lane(this.#source, this.#statements.answers, (ended) => this.#lanes.delete(ended)) : chosen
    this.served += 1
    lane.add({ pace: record.pace, taken, failed })
    if (chosen !== 'new') return true
    this.#lanes.add(lane)
    lane.open()
    return true
  }

  /** No read goes on the connections that are shared now: they lead to a server in an earlier role. */
  close(): void {
    for (const lane of this.#lanes) lane.close()
  }

  get #opening(): number {
    let opening = 0
    for (const lane of this.#lanes) if (lane.isOpening) opening += 1
    return opening
  }
}
