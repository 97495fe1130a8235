import { type Logger, OptionsInvalid } from '@headwater/core'
import { TOKEN_TTL_MILLIS } from '@headwater/core/internal'
import { resolveTokenStore, type TokenStore, type TokenStoreOptions } from './token-store.ts'

/**
 * How a client carries its token, and who gets one.
 *
 * @example headwater({ pool, token: { cookie: { name: '__Host-seen' }, timeToLiveMillis: 300_000 } })
 */
export interface TokenCarrierOptions extends TokenStoreOptions {
  /**
   * Cookies, for browsers: HttpOnly, SameSite=Lax, and Secure when the request is. `false`: no cookies.
   *
   * @default { name: 'headwater', path: '/' }
   */
  readonly cookie?:
    | false
    | {
        /** The prefix of the cookies' names, at most 55 characters. Each state has a cookie of its own: `<name>.<8 characters>`. */
        readonly name?: string | undefined
        /** Which paths of the host the cookies are sent to. */
        readonly path?: string | undefined
      }
    | undefined
  /**
   * Whether the header `headwater-token` is read and answered, for API clients and other services.
   *
   * @default true
   */
  readonly header?: boolean | undefined
  /**
   * How long a token is valid, in milliseconds. Set it no lower than the longest time that a replica may lag.
   *
   * @default 60_000
   */
  readonly timeToLiveMillis?: number | undefined
  /**
   * Whose reads count for their next request (F5). `with-token`: reads of clients that carry a token, so a session begins
   * with the first write, or when the app asks for the primary (F9). `always`: everybody's reads; each new client gets a
   * cookie with its first read. `never`: nobody's; a client sees its own writes, and what others wrote may vanish again.
   *
   * @default 'with-token'
   */
  readonly trackReads?: 'with-token' | 'always' | 'never' | undefined
}

/** The options, checked and complete. At least one carrier is on. */
export interface TokenCarriers {
  readonly cookie: { readonly name: string; readonly path: string } | undefined
  readonly hasHeader: boolean
  readonly timeToLiveMillis: number
  readonly isTrackingAll: boolean
  readonly isForWritesOnly: boolean
  /** Where the app keeps tokens by user; `undefined` when it does not. */
  readonly store: TokenStore | undefined
}

/** RFC 6265, section 4.1.1: a token of RFC 2616. With its suffix a name has 64 characters at most. */
const COOKIE_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,55}$/
/** RFC 6265, section 4.1.1: any character but controls and `;`; a path begins with `/`. */
const COOKIE_PATH = /^\/[!-:<-~]{0,255}$/
const LONGEST_LIFE_MILLIS = 0xffff_ffff

/**
 * Checks how tokens are carried. Returns `undefined` when nothing carries them.
 *
 * @throws {OptionsInvalid} naming the option, and what was expected.
 */
export function resolveTokenCarriers(
  token: false | TokenCarrierOptions | undefined,
  logger?: Logger | false,
): TokenCarriers | undefined {
  if (token === false) return undefined
  if (token !== undefined && (typeof token !== 'object' || token === null)) {
    throw new OptionsInvalid('token', `expected false or an object of options, got ${typeof token}`)
  }
  const { header: hasHeader = true, timeToLiveMillis = TOKEN_TTL_MILLIS, trackReads = 'with-token' } = token ?? {}
  if (typeof hasHeader !== 'boolean') {
    throw new OptionsInvalid('token.header', `expected a boolean, got ${typeof hasHeader}; the header's name is fixed`)
  }
  if (!Number.isInteger(timeToLiveMillis) || timeToLiveMillis < 1 || timeToLiveMillis > LONGEST_LIFE_MILLIS) {
    throw new OptionsInvalid(
      'token.timeToLiveMillis',
      `${String(timeToLiveMillis)} is not a valid time; expected 1 to 4294967295 milliseconds, no fraction`,
    )
  }
  if (trackReads !== 'with-token' && trackReads !== 'always' && trackReads !== 'never') {
    throw new OptionsInvalid(
      'token.trackReads',
      `${JSON.stringify(trackReads)} is unknown; expected "with-token", "always" or "never"`,
    )
  }
  const cookie = cookieOf(token?.cookie)
  const store = resolveTokenStore(token ?? {}, logger)
  if (cookie === undefined && !hasHeader && store === undefined) return undefined
  const isTrackingAll = trackReads === 'always'
  return Object.freeze({
    cookie,
    hasHeader,
    timeToLiveMillis,
    isTrackingAll,
    isForWritesOnly: trackReads === 'never',
    store,
  })
}

function cookieOf(cookie: TokenCarrierOptions['cookie']): TokenCarriers['cookie'] {
  if (cookie === false) return undefined
  if (cookie !== undefined && (typeof cookie !== 'object' || cookie === null)) {
    throw new OptionsInvalid('token.cookie', `expected false or { name, path }, got ${typeof cookie}`)
  }
  const { name = 'headwater', path = '/' } = cookie ?? {}
  if (typeof name !== 'string' || !COOKIE_NAME.test(name)) {
    throw new OptionsInvalid(
      'token.cookie.name',
      `${JSON.stringify(name)} cannot name a cookie; expected letters, digits and !#$%&'*+-.^_\`|~, at most 55`,
    )
  }
  if (typeof path !== 'string' || !COOKIE_PATH.test(path)) {
    throw new OptionsInvalid(
      'token.cookie.path',
      `${JSON.stringify(path)} is not a path; expected "/" or "/app", in ASCII, without ";" and spaces`,
    )
  }
  if (/^__Host-/i.test(name) && path !== '/') {
    throw new OptionsInvalid(
      'token.cookie.path',
      `a cookie named ${name} is for the whole host; expected "/", or another name`,
    )
  }
  return Object.freeze({ name, path })
}
