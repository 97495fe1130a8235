/** A text with its parameters beside it, as a query builder hands it to a driver. */
export interface BuiltQuery {
  readonly sql: string
  readonly parameters: readonly unknown[]
}

/** What `$1` may stand in without being a parameter comes first. */
const TOKEN = /'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(\d+)/g

/**
 * Puts literals in the place of `$1`, `$2`…: the simple protocol, which the judge speaks, has no parameters.
 *
 * @throws RangeError when a parameter is missing.
 */
export function inlineParameters({ sql, parameters }: BuiltQuery): string {
  return sql.replaceAll(TOKEN, (token, number: string | undefined) => {
    if (number === undefined) return token
    const index = Number(number) - 1
    if (index >= parameters.length) throw new RangeError(`${token} has no parameter; there are ${parameters.length}`)
    return literal(parameters[index])
  })
}

function literal(value: unknown): string {
  if (value === null || value === undefined) return 'null'
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') return String(value)
  if (value instanceof Date) return quoted(value.toISOString())
  if (Array.isArray(value)) return quoted(`{${value.map((element) => JSON.stringify(String(element))).join(',')}}`)
  return quoted(typeof value === 'string' ? value : JSON.stringify(value))
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}
