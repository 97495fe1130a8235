import { PrimaryUnavailable } from '@headwater/core'
import { isOutOfService } from '@headwater/core/internal'
import { openOwnConnection } from '../driver/own-connection.ts'
import { isReadTimeout } from '../driver/pg-errors.ts'
import type { Connected, Connection, PoolNode } from '../node/pool-node.ts'
import { WrongServer } from '../node/wrong-server.ts'
import { PrimaryWait } from './primary-wait.ts'

/** What it needs of the fleet. */
export interface PrimaryOwner {
  readonly primary: PoolNode
  readonly hasPrimary: boolean
  readonly isMonitored: boolean
  /** Why nobody writes while servers are in conflict. */
  readonly conflict: Error | undefined
  readonly monitor: { alarm(): void }
  /** Whether the address of this connection's server leads to another one now. */
  hasMovedFrom(connection: Connection): boolean
}

/** How long a server may take to say whether it stops. */
const STOPPED_MILLIS = 1_000
const NO_PRIMARY = '[headwater] no server is known to be the primary now'

/** The way to a session at the primary, and the wait while there is none (X9). */
export class PrimaryAccess {
  readonly #fleet: PrimaryOwner
  readonly #wait: PrimaryWait

  constructor(fleet: PrimaryOwner, promotionWaitMillis: number) {
    this.#fleet = fleet
    // One server alone has nobody to take its place.
    this.#wait = new PrimaryWait(fleet.isMonitored ? promotionWaitMillis : 0)
  }

  /** Until when what begins to wait for a primary now may wait, in ms of this process's monotonic clock. */
  get deadline(): number {
    return this.#wait.deadline
  }

  /**
   * Takes a connection to the primary. While there is none, or it cannot be reached, the caller waits for the next (X9). Gives a
   * `PrimaryUnavailable` when none comes in time, and pg's own error when the pool is full, or a login, database or TLS is refused. With
   * `isDirect` it leads past the pooler, where there is a way. `sharedText`: see `PoolNode.connect`.
   */
  connect(connected: Connected, deadline?: number, isDirect = false, sharedText?: string): void {
    const { primary, hasPrimary, isMonitored } = this.#fleet
    const node = isDirect ? (primary.direct ?? primary) : primary
    if (!hasPrimary) return this.#waitForNext(connected, new Error(NO_PRIMARY), deadline, isDirect)
    // A server that is known to be down is knocked at by one caller only. A refused login is each caller's own error.
    const { lastError } = node.health
    if (isMonitored && (isOutOfService(lastError) || isReadTimeout(lastError)) && !node.tryProbe()) {
      return this.#waitForNext(connected, lastError, deadline, isDirect)
    }
    const free = node.takeFree(sharedText)
    if (free !== undefined) return connected(undefined, free)
    const failed = (error: unknown): void => {
      const isMoved = !this.#fleet.hasPrimary || primary !== this.#fleet.primary || node.isStandby === true
      if (!node.hasEnded && (isMoved || error instanceof WrongServer || isOutOfService(error)))
        this.#waitForNext(connected, error, deadline, isDirect)
      else connected(error)
    }
    node.connect(connected, failed, sharedText)
  }

  /**
   * Whether the server of a session that has ended takes no new one, while another may become the primary. A proxy that cuts off
   * (`isCutOff`) says nothing of the server behind it, and counts as stopped. Never rejects.
   */
  async hasStopped(ended: Connection, isCutOff: boolean): Promise<boolean> {
    const { node } = ended
    if (!this.#fleet.isMonitored || node.hasEnded) return false
    this.#fleet.monitor.alarm()
    this.doubt(ended)
    if (node.traits.isMoving) return isCutOff || (await this.#leadsElsewhere(ended))
    try {
      const connection = await openOwnConnection([node.pool], AbortSignal.timeout(STOPPED_MILLIS))
      await connection.end()
      return node !== this.#fleet.primary
    } catch (error) {
      return isOutOfService(error)
    }
  }

  /** A session was lost: where the address may lead elsewhere by now, the next one is a new one, and says who its server is. */
  doubt({ node, client }: Connection): void {
    if (node.traits.isMoving) node.renew(client)
  }

  /** Only a session that was let in says which server is behind the address now. */
  #leadsElsewhere(ended: Connection): Promise<boolean> {
    return new Promise((resolve) => {
      const connected: Connected = (error, connection) => {
        connection?.release()
        resolve(error ? error instanceof WrongServer || isOutOfService(error) : this.#fleet.hasMovedFrom(ended))
      }
      ended.node.connect(connected, connected)
    })
  }

  /** Calls back once there is a primary, or when none came in time. */
  whenKnown(known: () => void): void {
    if (this.#fleet.hasPrimary) return known()
    this.#fleet.monitor.alarm()
    this.#wait.add(known, this.#wait.deadline, () => undefined)
  }

  /** Whoever waits goes on: there is a primary. With an error: none will come. */
  settleAll(error?: unknown): void {
    this.#wait.settleAll(error)
  }

  #waitForNext(connected: Connected, error: unknown, deadline = this.#wait.deadline, isDirect = false): void {
    this.#fleet.monitor.alarm()
    const goOn = (failure: unknown): void => {
      if (failure === undefined) this.connect(connected, deadline, isDirect)
      else connected(failure)
    }
    this.#wait.add(goOn, deadline, () => this.#fleet.conflict ?? new PrimaryUnavailable(error))
  }
}
