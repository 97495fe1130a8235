import type { UnverifiedEvent } from '../diagnostics.ts'
import { OptionsInvalid } from '../errors/options-invalid.ts'
import { mergeAllPositions, type ReadPosition } from '../session/read-position.ts'
import { parseSecrets } from '../session/secrets.ts'
import { parseTokens, readToken, signToken } from '../session/token.ts'
import { withPrimary } from './forcing.ts'
import { currentScope, runInScope } from './frame.ts'
import { Scope } from './scope.ts'
import { reportUnverified } from './unverified.ts'

/** Options of `getToken`, `runWithToken` and `see`. */
export interface TokenOptions {
  /**
   * The same secret as that of `headwater()`, 16 characters or more. Of several, the first seals and all open.
   *
   * @default process.env.HEADWATER_SECRET
   */
  readonly secret?: string | readonly string[] | undefined
}

/** How long a token is valid unless the app says otherwise, in ms. */
export const TOKEN_TTL_MILLIS = 60_000

/**
 * The token of the current scope: whatever runs with it sees all that the scope has written. Put it into a job's payload, a
 * queue's message, or a call to another service.
 *
 * `undefined` outside a scope, and when the scope has seen nothing that counts. Asks the primary once when the scope has written.
 *
 * @throws {OptionsInvalid} without a secret, or for a `timeToLiveMillis` that is out of range.
 *
 * @example
 * await queue.add('send-receipt', { orderId, token: await getToken({ timeToLiveMillis: 15 * 60_000 }) })
 */
export async function getToken(
  options: TokenOptions & {
    /**
     * How long the token is valid, in ms, 1 to 4294967295: longer than a job may wait in its queue.
     *
     * @default 60_000
     */
    readonly timeToLiveMillis?: number | undefined
  } = {},
): Promise<string | undefined> {
  const secrets = getSecrets(options)
  const timeToLiveMillis = options.timeToLiveMillis ?? TOKEN_TTL_MILLIS
  if (!Number.isInteger(timeToLiveMillis) || timeToLiveMillis < 1 || timeToLiveMillis > 0xffff_ffff) {
    throw new OptionsInvalid(
      'timeToLiveMillis',
      `${String(timeToLiveMillis)} is not a valid time; expected 1 to 4294967295 milliseconds, no fraction`,
    )
  }
  const seen = await currentScope()?.session.capturePosition()
  if (seen === undefined) return undefined
  const issuedAt = Date.now()
  return signToken({ ...seen, issuedAt, expires: issuedAt + timeToLiveMillis }, secrets)
}

/**
 * Runs `fn` in a scope of its own whose reads are never older than what the token stands for. `token` may be a list with
 * commas; of more than 256 tokens the last 256 count. A token that is missing, forged or expired is ignored (F3).
 *
 * `level` says what a read does while no local replica has caught up (GitLab's workers use the same words):
 * - `sticky`: waits up to the pool's `maxWaitMillis`, then reads at the primary;
 * - `delayed`: waits as long, then rejects with `ReplicaBehind`, so that the queue runs the job again later;
 * - `always`: every statement runs at the primary, whatever the token.
 *
 * @default level: 'sticky'
 *
 * @throws {OptionsInvalid} without a secret, or for another level.
 *
 * @example
 * worker.process('send-receipt', ({ orderId, token }) =>
 *   runWithToken(token, () => sendReceipt(orderId), { level: 'delayed' }),
 * )
 */
export function runWithToken<Result>(
  token: string | undefined,
  fn: () => PromiseLike<Result>,
  options: TokenOptions & { readonly level?: 'always' | 'sticky' | 'delayed' | undefined } = {},
): Promise<Result> {
  const { level = 'sticky' } = options
  if (level !== 'always' && level !== 'sticky' && level !== 'delayed') {
    throw new OptionsInvalid('level', `${JSON.stringify(level)} is unknown; expected "sticky", "delayed" or "always"`)
  }
  const minPosition = positionIn(token, getSecrets(options), "job's token")
  const scope = new Scope({ session: { minPosition }, whenBehind: level === 'delayed' ? 'throw' : 'primary' })
  return runInScope(scope, level === 'always' ? () => withPrimary(fn) : fn)
}

/** What a list of tokens stands for; `undefined` when none of them is valid (F3). */
export function positionIn(
  list: string | undefined,
  secrets: readonly string[],
  carrier: UnverifiedEvent['carrier'],
): ReadPosition | undefined {
  const now = Date.now()
  const tokens = parseTokens(list).map((text) => readToken(text, secrets, now))
  if (tokens.includes('unverified')) reportUnverified(carrier)
  return mergeAllPositions(tokens.filter((one) => typeof one === 'object'))
}

export function getSecrets({ secret }: TokenOptions): readonly string[] {
  const { HEADWATER_SECRET } = process.env
  return parseSecrets(secret ?? HEADWATER_SECRET)
}
