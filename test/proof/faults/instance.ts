import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { RoutedPool, type RoutedPoolOptions } from '@headwater/pg'
import { startProofApp } from '../app.ts'
import type { Skew, SkewedClock } from './skewed-clock.ts'

/** How long handlers and leases have to end after the last fault, in ms: longer than any wait of the SDK. */
const PATIENCE_MILLIS = 15_000

/** One instance of the app: its pool, its server, and a clock of its own. */
export class Instance implements AsyncDisposable {
  readonly region: string
  readonly pool: RoutedPool
  readonly port: number
  readonly skew: Skew = { millis: 0 }
  readonly #server: Server
  readonly #handlers: { running: number }

  private constructor(parts: Pick<Instance, 'region' | 'pool'> & { server: Server; handlers: { running: number } }) {
    this.region = parts.region
    this.pool = parts.pool
    this.port = (parts.server.address() as AddressInfo).port
    this.#server = parts.server
    this.#handlers = parts.handlers
  }

  static async start(region: string, options: RoutedPoolOptions, clock: SkewedClock): Promise<Instance> {
    // The view `standing` hides what is node-local; the catalog would see through it.
    const pool = new RoutedPool({ region, catalog: false, logger: false, ...options })
    pool.on('error', () => undefined)
    const handlers = { running: 0 }
    let instance: Instance | undefined
    const around = async (handle: () => Promise<void>): Promise<void> => {
      handlers.running += 1
      try {
        await clock.run(instance?.skew ?? { millis: 0 }, handle)
      } finally {
        handlers.running -= 1
      }
    }
    const server = await startProofApp({ pool, trackReads: 'always', around })
    instance = new Instance({ region, pool, server, handlers })
    return instance
  }

  /** How many handlers have not settled, once all have had the time to; call it after the last fault. */
  async unsettled(): Promise<number> {
    for (const end = performance.now() + PATIENCE_MILLIS; performance.now() < end; ) {
      if (this.#handlers.running === 0) return 0
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    return this.#handlers.running
  }

  /**
   * Ends the server and the pool.
   *
   * @throws when the pool does not end: a connection was never given back.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    // As a deploy does it: no new connection, then none that rests, then what is left.
    const closed = new Promise((resolve) => this.#server.close(resolve))
    await this.unsettled()
    this.#server.closeAllConnections()
    await closed
    let timer: NodeJS.Timeout | undefined
    const tooLate = new Promise<never>((_resolve, reject) => {
      const complaint = `the pool of ${this.region} did not end within ${PATIENCE_MILLIS} ms: connections were never given back`
      timer = setTimeout(() => reject(new Error(complaint)), PATIENCE_MILLIS)
    })
    await Promise.race([this.pool.end(), tooLate]).finally(() => clearTimeout(timer))
  }
}
