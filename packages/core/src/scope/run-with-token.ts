import { OptionsInvalid } from '../errors/options-invalid.ts'
import { parseSecrets } from '../session/secrets.ts'
import { mergeAll } from '../session/seen.ts'
import { parseTokens, signToken, verifyToken } from '../session/token.ts'
import { withPrimary } from './forcing.ts'
import { currentScope, runInScope } from './frame.ts'
import { Scope } from './scope.ts'

/** What `getToken` and `runWithToken` may be told. */
export interface TokenOptions {
  /** As of `headwater()`: the first signs, all verify. Default: the environment variable HEADWATER_SECRET. */
  readonly secret?: string | readonly string[] | undefined
}

/** How long a token is good for unless the app says otherwise, in ms. */
export const TIME_TO_LIVE = 60_000

/**
 * The token of the scope that asks: who runs with it sees all that was written here. For a job's payload, a queue's
 * message, a call to another service.
 *
 * `undefined` outside a scope, and where there is nothing to see. Asks the primary once when the scope has written.
 *
 * @throws {OptionsInvalid} without a secret.
 */
export async function getToken(
  options: TokenOptions & {
    /** How long the token is good for, in ms: longer than a job may wait in its queue. Default 60,000. */
    readonly timeToLive?: number | undefined
  } = {},
): Promise<string | undefined> {
  const secrets = secretsOf(options)
  const timeToLive = options.timeToLive ?? TIME_TO_LIVE
  if (!Number.isInteger(timeToLive) || timeToLive < 1 || timeToLive > 0xffff_ffff) {
    throw new OptionsInvalid('timeToLive', `${String(timeToLive)} is not a time; expected 1 to 4294967295 (ms)`)
  }
  const seen = await currentScope()?.trail.settle()
  if (seen === undefined) return undefined
  const issuedAt = Date.now()
  return signToken({ ...seen, issuedAt, expires: issuedAt + timeToLive }, secrets)
}

/**
 * Runs `fn` in a scope of its own that sees all that the token has seen, or several, parted by commas: at most 32, the last
 * ones. A token that is missing, forged or expired is ignored (F3).
 *
 * What a read does when no replica next door is that far is the job's `level`, in the words of GitLab's workers:
 * - `sticky` (the default): waits a moment, then asks the primary;
 * - `delayed`: waits a moment, then rejects with `ReplicaBehind`, so that the queue runs the job again later;
 * - `always`: every statement runs at the primary, whatever the token.
 *
 * @throws {OptionsInvalid} without a secret, or for another level.
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
  const [secrets, now] = [secretsOf(options), Date.now()]
  const floor = mergeAll(parseTokens(token).flatMap((text) => verifyToken(text, secrets, now) ?? []))
  const scope = new Scope({ trail: { floor }, whenBehind: level === 'delayed' ? 'throw' : 'primary' })
  return runInScope(scope, level === 'always' ? () => withPrimary(fn) : fn)
}

function secretsOf({ secret }: TokenOptions): readonly string[] {
  const { HEADWATER_SECRET } = process.env
  return parseSecrets(secret ?? HEADWATER_SECRET)
}
