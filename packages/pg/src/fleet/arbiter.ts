import { PrimaryConflict } from '@headwater/core'
import { runOutside, type WarnOptions, warn } from '@headwater/core/internal'
import type { PoolNode } from '../node/pool-node.ts'
import type { ServerFacts } from '../options/server-facts.ts'
import type { PrimaryName, Truth } from '../options/truth-options.ts'
import { factsOf } from './facts-of.ts'
import type { ServerSample } from './server-sample.ts'
import { sleep } from './sleep.ts'

/** The pause between two questions while servers are in conflict. */
const PAUSE_MILLIS = 1_000
/** How long one answer may take. */
const TIMEOUT_MILLIS = 2_000
/** How long an answer counts while the authority cannot be reached. */
const VALID_MILLIS = 5_000

/** A server that accepts writes, and what it has said last. */
export interface Candidate {
  readonly node: PoolNode
  readonly sample: ServerSample
}

/** Asks the outside authority which of several servers is the primary, while they are in conflict. */
export class Arbiter {
  readonly #truth: Truth | undefined
  readonly #logger: WarnOptions['logger']
  /** Called when its answer may have changed. */
  readonly #onAnswer: () => void
  #candidates: readonly Candidate[] = []
  #answer: { readonly address: PrimaryName | undefined; readonly at: number } | undefined
  #failure: unknown
  #abort: AbortController | undefined
  #hasEnded = false

  constructor(truth: Truth | undefined, logger: WarnOptions['logger'], onAnswer: () => void) {
    this.#logger = logger
    this.#truth = truth
    this.#onAnswer = onAnswer
  }

  /** The index of the server among `candidates` that the authority calls the primary; `undefined` while it has not. */
  choose(candidates: readonly Candidate[]): number | undefined {
    const address = this.#answer?.address
    if (address === undefined || performance.now() - (this.#answer?.at ?? 0) > VALID_MILLIS) return undefined
    const matches = MATCHES.map((isMatch) =>
      candidates.filter((one) => isMatch(factsOf(one.node, one.sample), address)),
    )
    // Its name in the configuration counts first; an address that fits two servers names neither.
    const found = matches.find((match) => match.length > 0)
    return found?.length === 1 && found[0] !== undefined ? candidates.indexOf(found[0]) : undefined
  }

  /** These are in conflict: it is asked until they are not. With none it rests, and forgets. */
  watch(candidates: readonly Candidate[]): void {
    this.#candidates = candidates
    if (candidates.length === 0) return this.#rest()
    if (this.#abort !== undefined || this.#truth === undefined || this.#hasEnded) return
    const abort = new AbortController()
    const truth = this.#truth
    this.#abort = abort
    void runOutside(() => this.#askOn(truth, abort.signal))
  }

  /** Why nobody writes while servers are in conflict. */
  get error(): PrimaryConflict {
    return new PrimaryConflict(
      this.#candidates.map(({ node }) => node.name),
      this.#failure,
    )
  }

  end(): void {
    this.#hasEnded = true
    this.#rest()
  }

  #rest(): void {
    this.#abort?.abort()
    this.#abort = undefined
    this.#answer = undefined
    this.#failure = undefined
  }

  async #askOn(truth: Truth, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const facts = this.#candidates.map(({ node, sample }) => factsOf(node, sample))
      try {
        const address = await ask(truth, facts, signal)
        if (signal.aborted) return
        this.#answer = { address, at: performance.now() }
        this.#failure = undefined
      } catch (error) {
        if (signal.aborted) return
        const why = error instanceof Error ? error.name : typeof error
        warn('HEADWATER_TRUTH_UNREACHABLE', { why }, { logger: this.#logger })
        this.#failure = error
      }
      this.#onAnswer()
      await sleep(PAUSE_MILLIS, signal)
    }
  }
}

const isAt = (host: string | undefined, port: number | undefined, wanted: PrimaryName): boolean =>
  host !== undefined && host === wanted.host && (wanted.port === undefined || wanted.port === port)

/** In order of precedence: its name, where the pool has it, and where it says that it is. */
const MATCHES: readonly ((server: ServerFacts, wanted: PrimaryName) => boolean)[] = [
  ({ name }, wanted) => 'name' in wanted && wanted.name === name,
  ({ host, port }, wanted) => isAt(host, port, wanted),
  ({ address, addressPort }, wanted) => isAt(address, addressPort, wanted),
]

/** Asks once. The app's function may ignore the signal: then nobody waits for it any longer. */
async function ask(truth: Truth, facts: readonly ServerFacts[], ended: AbortSignal): Promise<PrimaryName | undefined> {
  const abort = new AbortController()
  const late = new Promise<never>((_resolve, reject) => {
    abort.signal.addEventListener('abort', () => reject(abort.signal.reason), { once: true })
  })
  const giveUp = (): void => abort.abort(ended.reason)
  ended.addEventListener('abort', giveUp, { once: true })
  const timer = setTimeout(
    () => abort.abort(new Error(`[headwater] truth gave no answer within ${TIMEOUT_MILLIS} ms`)),
    TIMEOUT_MILLIS,
  )
  try {
    return await Promise.race([truth(facts, abort.signal), late])
  } finally {
    clearTimeout(timer)
    ended.removeEventListener('abort', giveUp)
    late.catch(() => undefined)
  }
}
