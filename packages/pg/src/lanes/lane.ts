import { boundHere } from '../driver/bound-here.ts'
import { setPipelining } from '../driver/pipelining.ts'
import type { ReadPace } from '../driver/prepare/read-pace.ts'
import type { UsualAnswer } from '../driver/prepare/usual-answer.ts'
import type { TrackedClient } from '../driver/tracked-client.ts'
import type { LaneState } from './choose-lane.ts'

/** Gives a session back; with an error or `true` it is closed. */
type Release = (destroy?: Error | boolean) => void

/** Is given a session, and the role that it was made for. */
export type TakenSession<Role> = (client: TrackedClient, role: Role, release: Release) => void

/** A read that shares a connection: it has its share from `taken` until it calls `release`. */
export interface SharedRead<Role> {
  readonly pace: ReadPace
  readonly taken: TakenSession<Role>
  readonly failed: (error: unknown) => void
}

/** The server that a lane leads to. */
export interface LaneSource<Role> {
  /** Takes a connection from the server's pool. */
  take(taken: TakenSession<Role>, failed: (error: unknown) => void): void
}

interface Session<Role> {
  readonly client: TrackedClient
  readonly role: Role
  readonly release: Release
}

/**
 * A connection of the pool that small reads share, for as long as there are any. What is asked in one turn of the event loop goes in
 * one write, and nothing waits for the answer before it. Each read has a Sync of its own: it is its own transaction, and an error
 * of one is none of another's.
 */
export class Lane<Role> implements LaneState {
  readonly #source: LaneSource<Role>
  readonly #answers: UsualAnswer
  readonly #ended: (lane: Lane<Role>) => void
  readonly #openedAt = performance.now()
  #session: Session<Role> | undefined
  #waiting: SharedRead<Role>[] = []
  /** Whether what is sent now waits for the end of this turn of the event loop. */
  #isGathering = false
  /** Since when the server owes the foremost answer. */
  #owedSince = this.#openedAt
  /** Whether nothing stood before that read. */
  #isFirst = true
  #destroys: Error | boolean | undefined
  reads = 0
  isClosed = false

  /** `answers` says how long the server's usually take; `ended` is called when its connection was given back, or could not be had. */
  constructor(source: LaneSource<Role>, answers: UsualAnswer, ended: (lane: Lane<Role>) => void) {
    this.#source = source
    this.#answers = answers
    this.#ended = ended
  }

  /** Whether it still waits for its connection. */
  get isOpening(): boolean {
    return this.#session === undefined
  }

  waitedMillis(now: number): number {
    return now - this.#owedSince
  }

  heldMillis(now: number): number {
    return now - this.#openedAt
  }

  /** Takes its connection; call once, after the first read was added. */
  open(): void {
    this.#source.take(
      (client, role, release) => this.#opened({ client, role, release }),
      (error) => this.#failed(error),
    )
  }

  add(read: SharedRead<Role>): void {
    this.reads += 1
    const session = this.#session
    if (session !== undefined) return this.#hand(read, session)
    if (this.#waiting.length === 0) this.#waiting.push(read)
    // It is the first one's connection that calls back: each read goes on where it began.
    else this.#waiting.push({ pace: read.pace, taken: boundHere(read.taken), failed: boundHere(read.failed) })
  }

  /** Takes no more reads. Those that are on it have their answers. */
  close(): void {
    this.isClosed = true
  }

  #opened(session: Session<Role>): void {
    this.#session = session
    setPipelining(session.client, true)
    this.#owedSince = performance.now()
    const waiting = this.#waiting
    this.#waiting = []
    const isAlone = waiting.length === 1
    if (!isAlone) this.#gather(session.client)
    for (const read of waiting) this.#share(read, session)
    if (!isAlone) this.#write(session.client)
  }

  #failed(error: unknown): void {
    this.isClosed = true
    this.#ended(this)
    for (const { failed } of this.#waiting) failed(error)
  }

  #hand(read: SharedRead<Role>, session: Session<Role>): void {
    if (!this.#isGathering) {
      this.#gather(session.client)
      process.nextTick(() => this.#write(session.client))
    }
    this.#share(read, session)
  }

  #share({ pace, taken }: SharedRead<Role>, { client, role }: Session<Role>): void {
    if (this.reads === 1) {
      this.#owedSince = performance.now()
      this.#isFirst = true
    }
    let isOver = false
    taken(client, role, (destroy) => {
      if (isOver) return
      isOver = true
      this.#answered(pace, client, destroy)
    })
  }

  #gather(client: TrackedClient): void {
    this.#isGathering = true
    client.connection.stream.cork()
  }

  #write(client: TrackedClient): void {
    if (!this.#isGathering) return
    this.#isGathering = false
    client.connection.stream.uncork()
  }

  #answered(pace: ReadPace, client: TrackedClient, destroy: Error | boolean | undefined): void {
    const now = performance.now()
    const took = now - this.#owedSince
    const answers = this.#answers
    pace.ranShared(took, answers.millis ?? took, now)
    // Behind another read it is the server's time alone.
    if (this.#isFirst) answers.measure(took)
    this.#isFirst = false
    this.#owedSince = now
    this.reads -= 1
    if (destroy || client.isLost) {
      this.isClosed = true
      this.#destroys ??= destroy || true
    }
    if (this.reads === 0) this.#giveBack()
  }

  #giveBack(): void {
    const session = this.#session
    if (session === undefined) return
    const { client, release } = session
    this.isClosed = true
    this.#write(client)
    setPipelining(client, false)
    this.#ended(this)
    // The end of an error's answer may be on its way.
    client.whenSettled(() => release(this.#destroys ?? (client.isLost || undefined)))
  }
}
