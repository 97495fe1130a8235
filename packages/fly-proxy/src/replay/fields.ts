import { InvalidReplayError } from './invalid-replay-error.ts'

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const key = /[A-Za-z0-9_-]+/y
const tokenValue = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+/y
// What a lenient proxy might accept unquoted. A comma is never accepted: the documentation wants lists quoted.
const anyValue = /[\x21\x23-\x2b\x2d-\x3a\x3c-\x7e]+/y
// Horizontal tab, printable ASCII without `"` and `\`, and escaped pairs.
const quotedValue = /"((?:[\t\x20\x21\x23-\x5b\x5d-\x7e]|\\[\t\x20-\x7e])*)"/y
const separator = /[ \t]*;[ \t]*/y

/** What a value without quotes may be: an RFC 9110 token, or any text without `;`, `,` and quotes. */
export type UnquotedValues = 'token' | 'any'

/**
 * The pairs of a header such as `fly-replay`: `key=value`, joined by `;`. A value is a token or a quoted string.
 * With `values: 'any'` an unquoted value may hold more than an RFC 9110 token, except commas.
 * @throws InvalidReplayError on every text outside that grammar; it throws nothing else
 */
export function parseReplayFields(text: string, values: UnquotedValues = 'token'): Map<string, string> {
  const fields = new Map<string, string>()
  const input = text.trim()
  let at = 0
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at
    const match = pattern.exec(input)
    if (match !== null) at += match[0].length
    return match
  }
  const refuse = (wanted: string): never => {
    throw new InvalidReplayError(`expected ${wanted} at character ${at + 1}`)
  }
  for (;;) {
    const name = take(key)?.[0].toLowerCase() ?? refuse('a field name')
    if (input[at] !== '=') refuse(`"=" after ${name}`)
    at += 1
    const quoted = take(quotedValue)
    const value = quoted
      ? (quoted[1] ?? '').replace(/\\(.)/g, '$1')
      : (take(values === 'any' ? anyValue : tokenValue)?.[0] ?? refuse(`a token or a quoted string for ${name}`))
    if (fields.has(name)) refuse(`${name} only once`)
    fields.set(name, value)
    if (at === input.length) return fields
    if (take(separator) === null) refuse('";" (a list of regions must be in double quotes)')
  }
}

/** The header text of some pairs, without a space after `;`. A value that is not a token is quoted. */
export function formatReplayFields(fields: Iterable<readonly [string, string]>): string {
  return Array.from(fields, ([name, value]) => `${name}=${token.test(value) ? value : quote(value)}`).join(';')
}

function quote(value: string): string {
  return `"${value.replace(/["\\]/g, '\\$&')}"`
}
