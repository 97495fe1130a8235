import { parseRegion, runOutside, type WarnOptions, warn } from '@headwater/core/internal'
import type pg from 'pg'
import { sendQuestion } from '../driver/send.ts'
import type { TrackedClient } from '../driver/tracked-client.ts'
import type { PoolNode } from '../node/pool-node.ts'
import { WrongServer } from '../node/wrong-server.ts'
import { factsOf } from './facts-of.ts'
import { isPositionRefused } from './primary-sample.ts'
import { parseServerSample, READ_ONLY, SERVER_SAMPLE, type ServerSample } from './server-sample.ts'

const ROLE = `select pg_catalog.pg_is_in_recovery(), ${READ_ONLY}`

/** What the fleet is told about an address that moves. */
export interface MovingAddressEvents {
  /** A server behind it has said who it is. */
  readonly onSample: (sample: ServerSample) => void
  /** It leads to a server that is not the primary. */
  readonly onWrongServer: () => void
  /** The region of the server behind it is another one now. */
  readonly onRegion: (region: string) => void
}

/**
 * An address that follows the primary by itself. Who answers there is asked on each new session, and by the watch over new
 * connections: an open one stays with the server that it began with.
 */
export class MovingAddress {
  readonly node: PoolNode
  readonly #events: MovingAddressEvents
  readonly #timeoutMillis: number
  readonly #logger: WarnOptions['logger']
  /** The server behind each session. */
  readonly #marks = new WeakMap<object, number>()
  #current: ServerSample | undefined

  constructor(
    makeNode: (admit: NonNullable<pg.PoolConfig['verify']>) => PoolNode,
    timeoutMillis: number,
    logger: WarnOptions['logger'],
    events: MovingAddressEvents,
  ) {
    this.#events = events
    this.#timeoutMillis = timeoutMillis
    this.#logger = logger
    this.node = makeNode((client, done) => this.#admit(client as TrackedClient, done))
  }

  /** Takes in what a server behind it has said. When that is another one, the sessions to the one before are closed. */
  heard(sample: ServerSample): void {
    const before = this.#current
    this.#current = sample
    // Promoted in place it is another one too.
    if (before?.node === sample.node && takesWrites(before) === takesWrites(sample)) return
    this.node.cutThose((client) => (this.#marks.get(client) ?? sample.node) !== sample.node)
    const { regionOf } = this.node
    if (regionOf !== undefined && takesWrites(sample)) void runOutside(() => this.#askRegion(regionOf, sample))
  }

  /** Whether a session was with another server than the one that is behind it now. */
  hasLeft(client: object): boolean {
    const mark = this.#marks.get(client)
    return mark !== undefined && this.#current !== undefined && mark !== this.#current.node
  }

  /** A session is given out only when its server takes writes, and is not one of the past (X7). */
  #admit(client: TrackedClient, done: (error?: Error) => void): void {
    const sentAt = performance.now()
    sendQuestion(
      client,
      SERVER_SAMPLE,
      (error, [row]) => {
        if (isPositionRefused(error)) return this.#admitByRole(client, done)
        if (error) return done(error as Error)
        try {
          const sample = parseServerSample(row ?? [], sentAt, performance.now())
          this.#marks.set(client, sample.node)
          const why = this.#whyNot(sample)
          if (why === undefined) this.#events.onSample(sample)
          else this.#events.onWrongServer()
          done(why)
        } catch (unreadable) {
          done(unreadable as Error)
        }
      },
      this.#timeoutMillis,
    )
  }

  /** For a user who may not ask for the cluster: then a server that takes writes is the primary. */
  #admitByRole(client: TrackedClient, done: (error?: Error) => void): void {
    client.whenSettled(() => {
      sendQuestion(
        client,
        ROLE,
        (error, [row = []]) => {
          const [recovery, readOnly] = row
          const isWrong = recovery !== 'f' || readOnly !== 'off'
          if (isWrong) this.#events.onWrongServer()
          if (error) done(error as Error)
          else done(isWrong ? new WrongServer(this.node.name, 'in recovery or read-only') : undefined)
        },
        this.#timeoutMillis,
      )
    })
  }

  #whyNot({ isStandby, isReadOnly, cluster, timeline }: ServerSample): Error | undefined {
    const current = this.#current
    const isOfThePast = current !== undefined && current.cluster === cluster && timeline < current.timeline
    if (!isStandby && !isReadOnly && !isOfThePast) return undefined
    const what = isStandby ? 'in recovery' : isReadOnly ? 'read-only' : 'a primary of an earlier timeline'
    return new WrongServer(this.node.name, what)
  }

  async #askRegion(regionOf: NonNullable<PoolNode['regionOf']>, sample: ServerSample): Promise<void> {
    try {
      const region = await regionOf(factsOf(this.node, sample))
      // Meanwhile it may lead to another server.
      if (region !== undefined && this.#current?.node === sample.node)
        this.#events.onRegion(parseRegion('regionOf', region))
    } catch (error) {
      const from = `regionOf (${error instanceof Error ? error.name : typeof error})`
      warn(
        'HEADWATER_REGION_UNKNOWN',
        { server: this.node.address.label, from },
        { about: this.node.address.label, logger: this.#logger },
      )
    }
  }
}

function takesWrites({ isStandby, isReadOnly }: ServerSample): boolean {
  return !isStandby && !isReadOnly
}
