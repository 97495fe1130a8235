import { type Logger, OptionsInvalid, runInScope, Scope, withPrimary } from '@headwater/core'
import { warn } from '@headwater/core/internal'
import type { RequestFacts } from '../request/request-facts.ts'

/** What `load` gives: tokens that `save` was given, one or several, or nothing. */
export type StoredTokens = string | readonly string[] | null | undefined

/** Where an app keeps tokens by user (F8). */
export interface TokenStoreOptions {
  /**
   * Finds the tokens of the user who sends this request, before its handler runs; nothing for a stranger.
   *
   * What it asks of a `RoutedPool` is asked of the primary, over the network away from home. When it fails, or takes longer than
   * `storeTimeoutMillis`, that is warned of once, and this request reads at the primary.
   */
  readonly load?: ((request: RequestFacts) => StoredTokens | PromiseLike<StoredTokens>) | undefined
  /**
   * Keeps a token for the user who sent this request. The head of the answer waits for it. Called only when what is to be seen changes:
   * by a write, or by a read at the primary that counts.
   *
   * Two requests of one user may save at once, so keep a set: add `token`, and remove those in `covered`, which `load` gave:
   * they have expired, or `token` says all that they do. Keep each no longer than `timeToLiveMillis`. A failure is warned of once; the answer goes out.
   */
  readonly save?: ((request: RequestFacts, token: string, covered: readonly string[]) => unknown) | undefined
  /**
   * How long the request waits for `load`, and the head of its answer for `save`, in milliseconds.
   *
   * @default 1000
   */
  readonly storeTimeoutMillis?: number | undefined
}

const LONGEST_TIMEOUT_MILLIS = 0x7fff_ffff

/** The app's own store of tokens, called so that nothing in it can end or hang a request. */
export class TokenStore {
  readonly #load: NonNullable<TokenStoreOptions['load']>
  readonly #save: NonNullable<TokenStoreOptions['save']>
  readonly #timeoutMillis: number
  readonly #logger: Logger | false | undefined

  constructor(
    options: Required<{ [Key in keyof TokenStoreOptions]: NonNullable<TokenStoreOptions[Key]> }>,
    logger?: Logger | false,
  ) {
    this.#logger = logger
    this.#load = options.load
    this.#save = options.save
    this.#timeoutMillis = options.storeTimeoutMillis
  }

  /** The tokens of this request's user as a list with commas; `undefined` when the store did not say. Never rejects. */
  async load(request: RequestFacts): Promise<string | undefined> {
    const given = await this.#call('load', async () => ({ tokens: await this.#load(request) }))
    if (given === undefined) return undefined
    const { tokens } = given
    return typeof tokens === 'string' ? tokens : (tokens ?? []).join(',')
  }

  /** Never rejects. */
  async save(request: RequestFacts, token: string, covered: readonly string[]): Promise<void> {
    await this.#call('save', async () => {
      await this.#save(request, token, covered)
    })
  }

  /** Runs in a scope of its own, so that nothing in it spends or marks the request's, and at the primary: a replica's token is as old as its data. */
  async #call<Result>(action: 'load' | 'save', fn: () => Promise<Result>): Promise<Result | undefined> {
    let timer: NodeJS.Timeout | undefined
    try {
      const work = runInScope(new Scope(), () => withPrimary(fn))
      const tooLate = new Promise<never>((_, reject) => {
        timer = setTimeout(
          () => reject(Object.assign(new Error('too late'), { code: 'ETIMEDOUT' })),
          this.#timeoutMillis,
        )
      })
      return await Promise.race([work, tooLate])
    } catch (error) {
      warn('HEADWATER_TOKEN_STORE', { action, problem: nameOf(error) }, { about: action, logger: this.#logger })
      return undefined
    } finally {
      clearTimeout(timer)
    }
  }
}

/** Its code or class: the message of a store's error may show where and as whom it connects. */
function nameOf(error: unknown): string {
  if (!(error instanceof Error)) return typeof error
  const code: unknown = Reflect.get(error, 'code')
  return typeof code === 'string' ? code : error.name
}

/**
 * Checks the app's store; `undefined` when it has none.
 *
 * @throws {OptionsInvalid} naming the option, and what was expected.
 */
export function resolveTokenStore(options: TokenStoreOptions, logger?: Logger | false): TokenStore | undefined {
  const { load, save, storeTimeoutMillis = 1000 } = options
  if (load === undefined && save === undefined) {
    if (options.storeTimeoutMillis === undefined) return undefined
    throw new OptionsInvalid('token.storeTimeoutMillis', 'is for token.load and token.save; give both, or leave it out')
  }
  if (typeof load !== 'function') throw new OptionsInvalid('token.load', `expected a function, got ${typeof load}`)
  if (typeof save !== 'function') throw new OptionsInvalid('token.save', `expected a function, got ${typeof save}`)
  const isTime =
    Number.isInteger(storeTimeoutMillis) && storeTimeoutMillis >= 1 && storeTimeoutMillis <= LONGEST_TIMEOUT_MILLIS
  if (!isTime) {
    throw new OptionsInvalid(
      'token.storeTimeoutMillis',
      `${String(storeTimeoutMillis)} is not a valid time; expected 1 to 2147483647 milliseconds, no fraction`,
    )
  }
  return new TokenStore({ load, save, storeTimeoutMillis }, logger)
}
