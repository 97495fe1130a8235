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
 * Judges a function in a language that we do not parse (Python, Perl, Tcl, JavaScript …).
 *
 * It is `unknown`, so a standby is tried; except when it may catch the standby's error, or may act outside the database
 * before that error. The words count wherever they stand, comments included: that can only be too strict.
 */
export function judgeForeignBody(body: string, isTrusted: boolean): Known {
  if (CATCHES.test(body)) return SWALLOWS
  if (!isTrusted && REACHES.test(body)) return REACHES_OUT
  if (STATES_WRITE.test(body)) return WRITES
  return UNSEEN
}
