import type { Agent } from 'node:http'
import { type Observation, RETRYABLE_HEADER, type WriteWay } from './app.ts'
import { CookieJar } from './cookie-jar.ts'
import type { Operation } from './history.ts'
import type { Random } from './random.ts'
import { REGIONS, type Region } from './rig.ts'
import { type Response, sendRequest } from './send-request.ts'

const TOKEN_HEADER = 'headwater-token'

export interface ClientOptions {
  readonly number: number
  /** Whether it carries its token in the header, as a service does, instead of in a cookie. */
  readonly usesHeader: boolean
  /** The probability that it writes; 0 for one that only ever reads. */
  readonly writes: number
  readonly keys: number
  /** Whether it has several requests under way at once: then each is of one statement, whose time is known. */
  readonly isParallel: boolean
  readonly random: Random
  readonly agent: Agent
  readonly urlOf: (region: Region) => string
  readonly signal: AbortSignal
}

/** What came of one request. */
export interface Visit {
  readonly operations: readonly Operation[]
  /** How long it took, in ms. */
  readonly duration: number
  readonly isWrite: boolean
  /** Why it failed; `undefined` when it did not. */
  readonly failure: string | undefined
}

const NOTHING_READ: Observation = { kind: 'read', state: 0, version: 0, node: undefined, isFromReplica: false }

/** The probability that a client moves before a request: to another region, or back home. */
const WANDERLUST = 0.04

/** One user: does one thing after the other, or several at once, stays in a region for a while, and keeps what it is given to carry. */
export class Client {
  readonly #options: ClientOptions
  readonly #home: Region
  readonly #jar = new CookieJar()
  /** Those in the header. */
  readonly #tokens = new Set<string>()
  #region: Region
  #writes = 0

  constructor(options: ClientOptions) {
    this.#options = options
    this.#home = options.random.pick(REGIONS)
    this.#region = this.#home
  }

  /** Sends one request. Never rejects: what failed is in the history too. */
  async visit(): Promise<Visit> {
    const { random, writes, keys, isParallel } = this.#options
    if (random.chance(WANDERLUST)) this.#region = this.#region === this.#home ? random.pick(REGIONS) : this.#home
    const key = random.between(1, keys)
    if (!random.chance(writes)) return this.#read(key, !isParallel && random.chance(0.2) ? random.between(2, 3) : 1)
    if (isParallel) return this.#write(key, 'statement', 0)
    const dice = random.next()
    const way = dice < 0.7 ? 'statement' : dice < 0.97 ? 'transaction' : 'rollback'
    return this.#write(key, way, random.chance(0.2) ? random.between(1, 2) : 0)
  }

  async #read(key: number, times: number): Promise<Visit> {
    const invoked = performance.now()
    const answer = await this.#send('GET', `/keys/${key}?times=${times}`)
    const completed = performance.now()
    const observations: readonly Observation[] = answer.observations ?? Array<Observation>(times).fill(NOTHING_READ)
    const isUndone = false
    return this.#visitOf({ key, invoked, completed, ...answer, observations, sequence: 0, isWrite: false, isUndone })
  }

  async #write(key: number, way: WriteWay, times: number): Promise<Visit> {
    this.#writes += 1
    const sequence = this.#writes
    const query = `client=${this.#options.number}&sequence=${sequence}&way=${way}&times=${times}`
    const invoked = performance.now()
    const answer = await this.#send('POST', `/keys/${key}?${query}`)
    const completed = performance.now()
    const observations: readonly Observation[] = answer.observations ?? [{ kind: 'write', serial: undefined }]
    // Of a request of one deed: an error may be of a read behind a write that happened.
    const isUndone = answer.isRetryable && times === 0
    return this.#visitOf({ key, invoked, completed, ...answer, observations, sequence, isWrite: true, isUndone })
  }

  async #send(
    method: 'GET' | 'POST',
    path: string,
  ): Promise<{
    readonly observations: readonly Observation[] | undefined
    readonly failure: string | undefined
    readonly isRetryable: boolean
  }> {
    const { agent, urlOf, signal } = this.#options
    const url = urlOf(this.#region) + path
    try {
      const headers = this.#carried()
      const response = await sendRequest(agent, { method, url, headers }, signal)
      this.#keep(response, headers)
      if (response.status === 200) {
        const observations: readonly Observation[] = JSON.parse(response.body)
        return { observations, failure: undefined, isRetryable: false }
      }
      const isRetryable = response.headers[RETRYABLE_HEADER] === 'true'
      return { observations: undefined, failure: `${response.status} ${response.body.slice(0, 200)}`, isRetryable }
    } catch (error) {
      const failure = error instanceof Error ? error.message : String(error)
      return { observations: undefined, failure, isRetryable: false }
    }
  }

  #carried(): Record<string, string> {
    if (this.#options.usesHeader) return this.#tokens.size === 0 ? {} : { [TOKEN_HEADER]: [...this.#tokens].join(', ') }
    const cookie = this.#jar.header(Date.now())
    return cookie === undefined ? {} : { cookie }
  }

  /** The tokens of an answer replace those that its request has sent; the others stay. */
  #keep({ headers }: Response, sent: Record<string, string>): void {
    if (!this.#options.usesHeader) return this.#jar.take(headers['set-cookie'] ?? [], Date.now())
    const answered = headers[TOKEN_HEADER]
    if (typeof answered !== 'string') return
    for (const token of (sent[TOKEN_HEADER] ?? '').split(', ')) this.#tokens.delete(token)
    for (const token of answered.split(', ')) this.#tokens.add(token)
  }

  /**
   * The statements of one request ran one after the other somewhere between its two times, and when there are several, no
   * other request of this client was under way: each gets a part of that time, in their order.
   */
  #visitOf(visit: {
    readonly key: number
    readonly invoked: number
    readonly completed: number
    readonly observations: readonly Observation[]
    readonly failure: string | undefined
    readonly sequence: number
    readonly isWrite: boolean
    /** Whether the client was told that nothing was done. */
    readonly isUndone: boolean
  }): Visit {
    const { key, observations, failure, sequence, isWrite, isUndone } = visit
    const duration = visit.completed - visit.invoked
    const part = duration / (2 * observations.length - 1)
    const hasFailed = failure !== undefined
    const operations = observations.map((seen, index): Operation => {
      const invoked = visit.invoked + 2 * index * part
      const deed = { client: this.#options.number, key, invoked, completed: invoked + part, region: this.#region }
      if (seen.kind === 'read') {
        const { state, version, node, isFromReplica, author } = seen
        const outcome = hasFailed ? 'failed' : 'ok'
        return { kind: 'read', ...deed, outcome, state, version, node, isFromReplica, author }
      }
      const outcome = hasFailed ? (isUndone ? 'failed' : 'unknown') : seen.serial === undefined ? 'failed' : 'ok'
      return { kind: 'write', ...deed, outcome, sequence, serial: seen.serial, node: undefined }
    })
    return { operations, duration, isWrite, failure }
  }
}
