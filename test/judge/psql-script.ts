import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Text } from './corpus.ts'

/** Sent where a script reconnects: the session starts anew. */
const RECONNECT: Text = { sql: 'discard all' }

/**
 * Cuts a script for psql into single statements: COPY data goes with its COPY, `\copy` from a file becomes one, variables
 * that the script sets are put in, and all other backslash commands are left out (`\if` counts as false).
 *
 * A cutter of its own, and not the classifier's lexer: what judges must not share the mistakes of what is judged.
 */
export function cutScript(script: string, folder: string): readonly Text[] {
  const variables = new Map<string, string>([['abs_srcdir', folder]])
  const texts: Text[] = []
  let at = 0
  let statement = ''
  let depth = 0
  let blocks = 0

  function finish(input?: string): void {
    const sql = statement.trim()
    statement = ''
    depth = 0
    blocks = 0
    if (sql !== '') texts.push(input === undefined ? { sql } : { sql, input })
  }

  function lineEnd(from: number): number {
    const end = script.indexOf('\n', from)
    return end < 0 ? script.length : end + 1
  }

  function take(length: number): void {
    statement += script.slice(at, at + length)
    at += length
  }

  while (at < script.length) {
    const rest = script.slice(at, at + 200)
    const token = TOKEN.exec(rest)?.[0] ?? rest.charAt(0)
    if (token.startsWith('--')) at = lineEnd(at)
    else if (token === '/*') take(commentLength(script, at))
    else if (token === "'" || token === '"') take(quotedLength(script, at, token, /(^|[^\w])e$/i.test(statement)))
    else if (token.startsWith('$')) take(dollarLength(script, at, token))
    else if (token === '\\') {
      const end = lineEnd(at)
      const line = script.slice(at, end).trim()
      at = end
      if (/^\\(g|gset|gexec|gx|gdesc|crosstabview)\b/.test(line)) finish()
      else if (/^\\c(onnect)?\b/.test(line)) texts.push(RECONNECT)
      else if (/^\\if\b/.test(line)) {
        const endif = script.indexOf('\\endif', at)
        at = endif < 0 ? script.length : lineEnd(endif)
      } else if (/^\\copy\b/.test(line)) {
        const copy = clientCopy(line, folder)
        if (copy !== undefined) texts.push(copy)
      } else setVariable(variables, line)
    } else if (token === ';' && depth === 0 && blocks === 0) {
      at++
      if (!/^\s*copy\b[^;]*\bfrom\s+stdin\b/i.test(statement)) finish()
      else {
        const from = lineEnd(at)
        const end = script.indexOf('\n\\.', from - 1)
        finish(end < 0 ? '' : script.slice(from, end + 1))
        at = end < 0 ? at : lineEnd(end + 1)
      }
    } else if (token.startsWith(':') && token.length > 1 && !statement.endsWith(':')) {
      at += token.length
      statement += interpolate(variables, token)
    } else {
      if (token === '(') depth++
      else if (token === ')') depth--
      else if (/^\s*create\s+(or\s+replace\s+)?(function|procedure)\b/i.test(statement)) {
        if (/^begin$/i.test(token) || (blocks > 0 && /^case$/i.test(token))) blocks++
        else if (/^end$/i.test(token) && blocks > 0) blocks--
      }
      take(token.length)
    }
  }
  finish()
  return texts
}

const TOKEN =
  /^(--|\/\*|'|"|\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$|\\|;|:["']?[A-Za-z_]\w*["']?|[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*|\s+|[()])/

function commentLength(script: string, at: number): number {
  let depth = 0
  for (let index = at; index < script.length; index++) {
    const two = script.slice(index, index + 2)
    if (two === '/*') depth++
    else if (two === '*/' && --depth === 0) return index + 2 - at
    else continue
    index++
  }
  return script.length - at
}

function quotedLength(script: string, at: number, quote: string, hasEscapes: boolean): number {
  for (let index = at + 1; index < script.length; index++) {
    const character = script.charAt(index)
    if (character === '\\' && hasEscapes) index++
    else if (character === quote) return index + 1 - at
  }
  return script.length - at
}

function dollarLength(script: string, at: number, tag: string): number {
  const end = script.indexOf(tag, at + tag.length)
  return end < 0 ? script.length - at : end + tag.length - at
}

/** `\copy table from 'data/file'`, as the COPY FROM STDIN that psql makes of it. */
function clientCopy(line: string, folder: string): Text | undefined {
  const [, what, file, rest = ''] = /^\\copy\s+(.+?)\s+from\s+'([^']+)'\s*(.*)$/i.exec(line) ?? []
  if (what === undefined || file === undefined) return undefined
  try {
    return { sql: `copy ${what} from stdin ${rest}`.trim(), input: readFileSync(join(folder, file), 'utf8') }
  } catch {
    return undefined
  }
}

/** `\set name 'a' :b`: the parts are joined. */
function setVariable(variables: Map<string, string>, line: string): void {
  const [, name, value] = /^\\set\s+(\w+)\s+(.*)$/.exec(line) ?? []
  if (name === undefined || value === undefined) return
  const parts = value.match(/'(?:[^']|'')*'|\S+/g) ?? []
  const values = parts.map((part) => {
    if (part.startsWith("'")) return part.slice(1, -1).replaceAll("''", "'")
    return part.startsWith(':') ? interpolate(variables, part) : part
  })
  variables.set(name, values.join(''))
}

function interpolate(variables: ReadonlyMap<string, string>, token: string): string {
  const name = token.replaceAll(/[:"']/g, '')
  const value = variables.get(name)
  if (value === undefined) return token
  if (token.startsWith(":'")) return `'${value.replaceAll("'", "''")}'`
  return token.startsWith(':"') ? `"${value}"` : value
}
