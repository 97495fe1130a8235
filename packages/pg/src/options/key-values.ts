import { OptionsInvalid } from '@headwater/core'

const FIRST_PAIR = /^\s*[a-z_]+\s*=/i

/** Whether a connection string has libpq's other form, `host=a,b port=5432 dbname=app`, which pg does not read. */
export function isKeyValueForm(connectionString: string): boolean {
  return FIRST_PAIR.test(connectionString)
}

/** A name, and its value: quoted, or up to the next white space. A backslash takes the next character as it is. */
const PAIR = /\s*([a-z_]+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:[^'\\\s]|\\.)(?:[^\\\s]|\\.)*)?)(?=\s|$)/iy

/**
 * Reads a connection string of keywords and values.
 *
 * Source: https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-KEYWORD-VALUE
 *
 * @throws {OptionsInvalid} where it ends inside a quote, or a keyword has no `=`. Its message shows nothing of the string.
 */
export function parseKeyValues(option: string, connectionString: string): ReadonlyMap<string, string> {
  const pairs = new Map<string, string>()
  const pattern = new RegExp(PAIR)
  const end = connectionString.trimEnd().length
  for (let at = 0; at < end; at = pattern.lastIndex) {
    pattern.lastIndex = at
    const [, name, quoted, plain] = pattern.exec(connectionString) ?? []
    if (name === undefined) {
      throw new OptionsInvalid(
        option,
        `is no list of keywords and values after its ${pairs.size}. pair; expected name=value or name='value', with white space between`,
      )
    }
    pairs.set(name.toLowerCase(), (quoted ?? plain ?? '').replaceAll(/\\(.)/gs, '$1'))
  }
  return pairs
}
