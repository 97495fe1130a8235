import { OptionsInvalid, TIME_TO_LIVE } from '@headwater/core'

/** How a client carries its token, and who gets one. */
export interface TokenCarrierOptions {
  /** Cookies, for browsers: HttpOnly, SameSite=Lax, Secure when the request is. `false`: none. */
  readonly cookie?:
    | false
    | {
        /** What their names begin with: there is one for each state that was seen, `<name>.<8 characters>`. Default `headwater`. */
        readonly name?: string | undefined
        /** Which paths of the host it is sent to; default `/`. */
        readonly path?: string | undefined
      }
    | undefined
  /** Whether the header `headwater-token` is read and answered, for API clients and other services; default `true`. */
  readonly header?: boolean | undefined
  /** How long a token is good for, in ms; default 60,000. Not less than a replica may ever lag. */
  readonly timeToLive?: number | undefined
  /**
   * Whose reads count for its next request (F5). `with-token` (the default): a client's that carries a token, so a session
   * begins with its first write. `always`: everybody's; each new client gets a cookie with its first read.
   */
  readonly trackReads?: 'with-token' | 'always' | undefined
}

/** The same, checked and complete; at least one carrier is on. */
export interface TokenCarriers {
  readonly cookie: { readonly name: string; readonly path: string } | undefined
  readonly hasHeader: boolean
  /** In ms. */
  readonly timeToLive: number
  readonly isTrackingAll: boolean
}

/** RFC 6265, section 4.1.1: a token of RFC 2616. With what is put behind it, 64 characters at most. */
const COOKIE_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,55}$/
/** RFC 6265, section 4.1.1: any character but controls and `;`; a path begins with `/`. */
const COOKIE_PATH = /^\/[!-:<-~]{0,255}$/
const LONGEST_LIFE = 0xffff_ffff

/**
 * Checks how tokens are carried; `undefined` when nothing carries them.
 *
 * @throws {OptionsInvalid} that says which option, and what was expected.
 */
export function resolveTokenCarriers(token: false | TokenCarrierOptions | undefined): TokenCarriers | undefined {
  if (token === false) return undefined
  if (token !== undefined && (typeof token !== 'object' || token === null)) {
    throw new OptionsInvalid('token', `expected false or an object of options, got ${typeof token}`)
  }
  const { header: hasHeader = true, timeToLive = TIME_TO_LIVE, trackReads = 'with-token' } = token ?? {}
  if (typeof hasHeader !== 'boolean') {
    throw new OptionsInvalid('token.header', `expected a boolean, got ${typeof hasHeader}; its name is fixed`)
  }
  if (!Number.isInteger(timeToLive) || timeToLive < 1 || timeToLive > LONGEST_LIFE) {
    throw new OptionsInvalid('token.timeToLive', `${String(timeToLive)} is not a time; expected 1 to 4294967295 (ms)`)
  }
  if (trackReads !== 'with-token' && trackReads !== 'always') {
    throw new OptionsInvalid(
      'token.trackReads',
      `${JSON.stringify(trackReads)} is unknown; expected "with-token" or "always"`,
    )
  }
  const cookie = cookieOf(token?.cookie)
  if (cookie === undefined && !hasHeader) return undefined
  return Object.freeze({ cookie, hasHeader, timeToLive, isTrackingAll: trackReads === 'always' })
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
  return Object.freeze({ name, path })
}
