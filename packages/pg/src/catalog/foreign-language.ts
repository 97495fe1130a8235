import type { Known } from '@headwater/core/internal'

const UNSEEN: Known = Object.freeze({ access: 'unknown', reason: 'procedural-code' })
const SWALLOWS: Known = Object.freeze({ access: 'write', reason: 'swallows-errors' })
const WRITES: Known = Object.freeze({ access: 'write', reason: 'writing-function' })
const REACHES_OUT: Known = Object.freeze({ access: 'write', reason: 'remote-server' })

/** How the languages catch an error: `except` (Python), `eval` (Perl), `catch` and `try` (Tcl, JavaScript), `pcall` (Lua). */
const CATCHES = /\b(?:except|eval|catch|try|pcall|xpcall|tryCatch|rescue)\b/

/** A statement that writes, at the beginning of what may be a constant of the language. */
const STATES_WRITE =
  /["'{([]\s*(?:insert\s+into|update\s+[\w".]+\s+set|delete\s+from|merge\s+into|truncate|(?:create|alter|drop)\s+\w+)\s/i

/** How an untrusted language gets hold of what is outside the database. */
const REACHES = /\b(?:import|require|use|open|exec|system|socket|source|package)\b|`/

/**
 * What is known of a function in a language that we do not read (Python, Perl, Tcl, JavaScript …).
 *
 * It is `unknown`, to be tried on a standby; but one that may catch a refusal, or that may have done something outside
 * of the database before it is refused, must not be. The words count wherever they stand, comments included: that can
 * only be too strict.
 */
export function judgeForeignBody(body: string, isTrusted: boolean): Known {
  if (CATCHES.test(body)) return SWALLOWS
  if (!isTrusted && REACHES.test(body)) return REACHES_OUT
  if (STATES_WRITE.test(body)) return WRITES
  return UNSEEN
}
