import { K } from '../sql/keywords.ts'
import { type Escapes, Lexer } from '../sql/lexer.ts'
import { T } from '../sql/tokens.ts'
import { FUNCTION_READS, getFunctionKind, getInformation, getKeyword } from '../sql/words.ts'
import { decodeBody } from './do.ts'
import type { Scan } from './scan.ts'
import { seeNamesInText } from './text-to-run.ts'

/** What text begins with: a constant that can be looked at, a variable by its name, or something else. */
type Source = { readonly isConstant: true } | { readonly variable: string } | undefined

/**
 * Looks at what a PL/pgSQL body with a dynamic query may run, whose words have all been seen: at each of its constants, and at
 * where the text comes from. Text that does not begin with a constant of this body can be anything.
 */
export function seeDynamicText(scan: Scan, body: string, escapes: Escapes): void {
  const lexer = new Lexer()
  lexer.open(body, escapes)
  const assigned = new Map<string, Source[]>()
  const executed: Source[] = []
  let first: string | undefined
  let selected: Source
  let isExecute = false
  let kind = lexer.next()
  while (kind !== T.END) {
    const keyword = kind === T.WORD ? getKeyword(getInformation(lexer.word)) : 0
    if (kind === T.STRING) {
      const text = lexer.sql.slice(lexer.start, lexer.end)
      seeNamesInText(scan, decodeBody(text) ?? text, 0, 0)
      kind = lexer.next()
    } else if (kind === T.SEMICOLON || STARTS.has(keyword)) {
      first = undefined
      selected = undefined
      isExecute = false
      kind = lexer.next()
    } else if (keyword === K.EXECUTE) {
      isExecute = true
      kind = lexer.next()
      executed.push(sourceAt(lexer))
      kind = lexer.kind
    } else if (keyword === K.SELECT && selected === undefined) {
      kind = lexer.next()
      selected = sourceAt(lexer)
      kind = lexer.kind
    } else if (keyword === K.INTO) {
      kind = lexer.next()
      if (kind === T.WORD && nameAt(lexer) === 'strict') kind = lexer.next()
      const source = isExecute ? undefined : selected
      while (kind === T.WORD || kind === T.QUOTED) {
        const target = nameAt(lexer)
        kind = lexer.next()
        note(assigned, target, kind === T.COMMA ? undefined : source)
        if (kind !== T.COMMA) break
        kind = lexer.next()
      }
    } else if (first !== undefined && isAssignment(lexer, kind)) {
      kind = lexer.next()
      const source = sourceAt(lexer)
      // `q := q || …` goes on with what q was.
      if (source === undefined || !('variable' in source) || source.variable !== first) note(assigned, first, source)
      first = undefined
      kind = lexer.kind
    } else {
      if (first === undefined && (kind === T.WORD || kind === T.QUOTED)) first = nameAt(lexer)
      kind = lexer.next()
    }
  }
  const seen = new Set<string>()
  if (executed.some((source) => !isSeen(source, assigned, seen))) scan.raise('write', 'procedural-code', 0, 0)
}

const STARTS: ReadonlySet<number> = new Set([K.BEGIN, K.THEN, K.ELSE, K.LOOP, K.DECLARE])

/** Whether all that a source may hold begins with a constant. Each variable is looked at once. */
function isSeen(source: Source, assigned: ReadonlyMap<string, readonly Source[]>, seen: Set<string>): boolean {
  const waiting: Source[] = [source]
  while (waiting.length > 0) {
    const next = waiting.pop()
    if (next === undefined) return false
    if ('isConstant' in next || seen.has(next.variable)) continue
    seen.add(next.variable)
    const sources = assigned.get(next.variable)
    if (sources === undefined) return false
    for (const each of sources) waiting.push(each)
  }
  return true
}

function note(assigned: Map<string, Source[]>, name: string, source: Source): void {
  const sources = assigned.get(name)
  if (sources === undefined) assigned.set(name, [source])
  else sources.push(source)
}

/** What the expression at the current token begins with, behind what only puts text together; the current token becomes that. */
function sourceAt(lexer: Lexer): Source {
  for (;;) {
    if (lexer.kind === T.OPEN) lexer.next()
    else if (lexer.kind === T.STRING) return { isConstant: true }
    else if (lexer.kind !== T.WORD && lexer.kind !== T.QUOTED) return undefined
    else {
      const isOwn = getFunctionKind(getInformation(lexer.word)) === FUNCTION_READS
      const variable = nameAt(lexer)
      const behind = lexer.peek()
      if (behind === T.DOT) return undefined
      if (behind !== T.OPEN) return { variable }
      if (!isOwn) return undefined
      lexer.next()
    }
  }
}

function isAssignment({ sql, start, end }: Lexer, kind: number): boolean {
  if (kind === T.MARK) return sql.startsWith(':=', start)
  if (kind === T.WORD) return end - start === 7 && sql.slice(start, end).toLowerCase() === 'default'
  return kind === T.OPERATOR && end - start === 1 && sql.charAt(start) === '='
}

function nameAt({ kind, sql, start, end }: Lexer): string {
  return kind === T.QUOTED ? sql.slice(start + 1, end - 1).replaceAll('""', '"') : sql.slice(start, end).toLowerCase()
}
