import type { AccessReason } from '../../statement/statement.ts'
import { findExtensionReason } from '../names/extension-names.ts'
import type { Knowledge, Known } from '../names/knowledge.ts'
import { isNodeQuestion } from '../names/node-questions.ts'
import { READS_NAMED } from '../names/reads-named.ts'
import { CATEGORY_NAME, K } from '../sql/keywords.ts'
import { decodeQuoted, T } from '../sql/tokens.ts'
import {
  COLUMN_OF_SEQUENCE,
  FUNCTION_CURRENT_SETTING,
  FUNCTION_KINDS,
  FUNCTION_READS,
  FUNCTION_SET_CONFIG,
  getCategory,
  getFunctionKind,
  getKeyword,
  getRelationKind,
  RELATION_NODE_LOCAL,
  RELATION_SEQUENCE,
} from '../sql/word-list.ts'
import { findName, getInformation, getName, isInformationSchemaFunction } from '../sql/words.ts'
import type { Scan } from './scan.ts'

const { DOT, OPEN, QUOTED, STRING, WORD } = T

/** One part of a name: where it stands, and what it means. */
export interface Part {
  start: number
  end: number
  isQuoted: boolean
  /** Decoded already, because the text alone does not show it (`U&"…"`, `""`). */
  decoded: string | undefined
  word: number
}

const createPart = (): Part => ({ start: 0, end: 0, isQuoted: false, decoded: undefined, word: 0 })

/** A dotted name. Made once and used again for every name. */
export class DottedName {
  readonly #parts: readonly Part[] = [createPart(), createPart(), createPart(), createPart()]
  /** How many parts it has; of more than four, the middle ones are forgotten. */
  count = 0
  first: Part = this.#parts[0] ?? createPart()
  /** The part before the last: a schema, when the last names a function. */
  schema: Part = this.first
  last: Part = this.first

  /** Reads a name from the current token on; returns the kind of the token behind it. */
  read(scan: Scan): number {
    const parts = this.#parts
    let part = this.first
    let kind = readPart(scan, part)
    let count = 1
    while (kind === DOT) {
      kind = scan.lexer.next()
      // `t.*` and the like
      if (kind !== WORD && kind !== QUOTED) break
      this.schema = part
      part = parts[count < 3 ? count : 2 + (count & 1)] as Part
      count++
      kind = readPart(scan, part)
    }
    this.count = count
    this.last = part
    // Of what stands in quotes we look up only what is called, or may be a relation of note.
    if (kind === OPEN && part.isQuoted && part.decoded === undefined)
      part.word = findName(scan.lexer.sql.slice(part.start + 1, part.end - 1))
    return kind
  }
}

function readPart(scan: Scan, part: Part): number {
  const lexer = scan.lexer
  part.start = lexer.start
  part.end = lexer.end
  part.isQuoted = lexer.kind === QUOTED
  part.word = lexer.word
  part.decoded = undefined
  if (!part.isQuoted) return lexer.next()
  if (!lexer.isEscaped) {
    if (mayBeRelation(lexer.bytes, part)) part.word = findName(lexer.sql.slice(part.start + 1, part.end - 1))
    return lexer.next()
  }
  const text = lexer.sql.slice(part.start, part.end)
  let kind = lexer.next()
  let escapeCharacter = '\\'
  if (text.charCodeAt(0) !== 34 && kind === WORD && getKeyword(getInformation(lexer.word)) === K.UESCAPE) {
    kind = lexer.next()
    if (kind === STRING && lexer.end - lexer.start === 3) escapeCharacter = lexer.sql.charAt(lexer.start + 1)
    else scan.raiseHere('write', 'syntax')
    kind = lexer.next()
  }
  const decoded = decodeQuoted(text, escapeCharacter)
  if (decoded === undefined) scan.raise('write', 'syntax', part.start, part.end)
  part.decoded = decoded ?? text
  part.word = findName(part.decoded)
  return kind
}

/** Whether a quoted name may be one of the relations in the table of words: `pg_…` and `last_value`. */
function mayBeRelation(bytes: Uint8Array, { start, end }: Part): boolean {
  const first = bytes[start + 1]
  if (first === 112) return bytes[start + 2] === 103 && bytes[start + 3] === 95
  return first === 108 && end - start === '"last_value"'.length
}

/** A part as Postgres folds it: ASCII to lower case unless quoted, cut at 63 bytes. */
export function getText(scan: Scan, part: Part): string {
  if (part.decoded !== undefined) return cut(part.decoded)
  if (part.word !== 0) return getName(part.word)
  const sql = scan.lexer.sql
  if (part.isQuoted) return cut(sql.slice(part.start + 1, part.end - 1))
  return cut(sql.slice(part.start, part.end).replace(/[A-Z]+/g, (upper) => upper.toLowerCase()))
}

const MAXIMUM_NAME_BYTES = 63

function cut(name: string): string {
  if (name.length * 3 <= MAXIMUM_NAME_BYTES) return name
  const bytes = new TextEncoder().encode(name.slice(0, MAXIMUM_NAME_BYTES + 1))
  if (bytes.length <= MAXIMUM_NAME_BYTES) return name
  let length = MAXIMUM_NAME_BYTES
  while (length > 0 && ((bytes[length] ?? 0) & 0xc0) === 0x80) length--
  return new TextDecoder().decode(bytes.subarray(0, length))
}

/** Settings to which a standby gives an answer of its own. */
const NODE_SETTINGS: ReadonlySet<string> = new Set([
  'transaction_read_only',
  'default_transaction_read_only',
  'in_hot_standby',
  'transaction_isolation',
  'transaction_deferrable',
  'primary_conninfo',
  'primary_slot_name',
  'recovery_min_apply_delay',
  'hot_standby',
  'max_standby_streaming_delay',
  'max_standby_archive_delay',
  'port',
  'listen_addresses',
  'data_directory',
  'config_file',
  'hba_file',
  'ident_file',
  'cluster_name',
  'unix_socket_directories',
  'external_pid_file',
])
export const isNodeSetting = (name: string): boolean => NODE_SETTINGS.has(name.toLowerCase())

/** What {@link seeCall} returns for a function that runs text which it is given, or of which that is not known. */
export const FUNCTION_MAY_RUN_TEXT = -1
/** The same for functions of Postgres's own: their first argument is run, or their second. */
export const RUNS_FIRST = -2
export const RUNS_SECOND = -3
/** What it returns for a function that reads the relation, or makes a value of the type, which an argument names. */
export const READS_NAMED_FIRST = -4
export const READS_NAMED_SECOND = -5
/** What it returns for a user's function that runs what it is given, whichever argument that is. */
export const RUNS_ANY = -6

/**
 * Classifies a call of `name`; the current token is its `(`. Returns the function kind, so that the caller can watch
 * the arguments of `set_config`, `current_setting` and what runs text.
 */
export function seeCall(scan: Scan, name: DottedName): number {
  const { last } = name
  const start = name.count > 1 ? name.schema.start : last.start
  const kind = last.word === 0 ? 0 : getFunctionKind(getInformation(last.word))
  if (name.count === 1) {
    if (kind === 0) return seeForeign(scan, undefined, getText(scan, last), start, last.end)
    return seeOwn(scan, undefined, getName(last.word), kind, start, last.end)
  }
  const schema = getText(scan, name.schema)
  const text = getText(scan, last)
  if (schema === 'pg_catalog' && kind !== 0) return seeOwn(scan, schema, text, kind, start, last.end)
  if (schema === 'information_schema' && isInformationSchemaFunction(text)) return FUNCTION_READS
  return seeForeign(scan, schema, text, start, last.end)
}

function seeOwn(
  scan: Scan,
  schema: string | undefined,
  name: string,
  kind: number,
  start: number,
  end: number,
): number {
  const known = scan.knowledge?.findFunction(schema, name)
  if (known !== undefined) {
    if (known.reason === 'override') {
      scan.raiseKnown(known, start, end)
      return FUNCTION_READS
    }
    if (known.access === 'unknown') scan.addFunction(name)
    scan.raiseKnown(known, start, end)
  }
  const named = kind === FUNCTION_READS ? READS_NAMED.get(name) : undefined
  if (named !== undefined) return seeNaming(scan, named, start, end)
  if (kind === FUNCTION_READS || kind === FUNCTION_SET_CONFIG || kind === FUNCTION_CURRENT_SETTING) return kind
  const reason = FUNCTION_KINDS[kind] as AccessReason
  if (reason === 'procedural-code') {
    scan.addFunction(name)
    scan.raise('unknown', reason, start, end)
    return name === 'ts_rewrite' ? RUNS_SECOND : RUNS_FIRST
  }
  if (reason === 'node-local' && isNodeQuestion(name)) scan.raiseQuestion('write', start, end)
  else scan.raise(reason === 'session-state' ? 'session' : 'write', reason, start, end)
  return kind
}

function seeNaming(scan: Scan, named: 'first' | 'second' | 'all', start: number, end: number): number {
  if (named !== 'all') return named === 'first' ? READS_NAMED_FIRST : READS_NAMED_SECOND
  if (scan.knowledge !== undefined) scan.raise('write', 'procedural-code', start, end)
  return FUNCTION_READS
}

function seeForeign(scan: Scan, schema: string | undefined, name: string, start: number, end: number): number {
  const known = scan.knowledge?.findFunction(schema, name)
  if (known !== undefined) {
    const { access, reason } = known
    scan.raiseKnown({ access, reason }, start, end)
    if (access !== 'unknown') return 0
    scan.addFunction(schema === undefined ? name : `${schema}.${name}`)
    return known.runsArguments === true ? RUNS_ANY : FUNCTION_MAY_RUN_TEXT
  }
  if (scan.cursors.has(name)) return FUNCTION_READS
  const reason = findExtensionReason(name)
  if (schema?.startsWith('pg_temp') === true) scan.raise('write', 'session-state', start, end)
  else if (reason !== undefined) scan.raise(reason === 'session-state' ? 'session' : 'write', reason, start, end)
  else {
    scan.addFunction(schema === undefined ? name : `${schema}.${name}`)
    scan.raise('unknown', isNewer(scan, schema, name) ? 'newer-than-catalog' : 'unseen-function', start, end)
    scan.hasUnseenCall = true
    return FUNCTION_MAY_RUN_TEXT
  }
  return 0
}

/** Whether the database had nothing that can be called so when its catalog was read; a type is called to cast. */
function isNewer({ inventory }: Scan, schema: string | undefined, name: string): boolean {
  if (inventory === undefined || inventory.has('function', schema, name)) return false
  return !inventory.has('type', schema, name) && !inventory.has('relation', schema, name)
}

/** Looks at the name of a relation: one that the database did not have when its catalog was read may be a view that writes. */
export function seeRelation(scan: Scan, name: DottedName): void {
  const { inventory, knowledge } = scan
  if (inventory === undefined || scan.isProcedural) return
  const schema = name.count > 1 ? getText(scan, name.schema) : undefined
  const text = getText(scan, name.last)
  if (inventory.has('relation', schema, text) || knowledge?.findRelation(schema, text) !== undefined) return
  const { start } = name.first
  const { end } = name.last
  if (schema === undefined) scan.missingRelations.push({ name: text, start, end })
  else scan.raise('unknown', 'newer-than-catalog', start, end)
}

/**
 * Looks at a name that is not called. Where a relation may stand, it may be one that a standby answers for itself, or cannot read;
 * anywhere else it is a column, whatever relation has the same name, or a function in attribute notation.
 */
export function seeName(scan: Scan, name: DottedName, mayBeRelation: boolean): void {
  if (scan.knowledge !== undefined) seeKnown(scan, name, mayBeRelation)
  seePart(scan, name.first)
  if (name.count > 1) seePart(scan, name.last)
  if (name.count > 2) seePart(scan, name.schema)
}

function seePart(scan: Scan, part: Part): void {
  if (part.word !== 0) {
    const information = getInformation(part.word)
    const kind = getRelationKind(information)
    if (kind === RELATION_NODE_LOCAL) scan.raiseQuestion('write', part.start, part.end)
    // A catalog knows the sequences themselves.
    else if (kind === RELATION_SEQUENCE || (kind === COLUMN_OF_SEQUENCE && scan.inventory === undefined))
      scan.raise('write', 'sequence', part.start, part.end)
    return
  }
  if (part.decoded === undefined) {
    const bytes = scan.lexer.bytes
    const from = part.isQuoted ? part.start + 1 : part.start
    if (((bytes[from] as number) | 32) !== 112) return
    if (((bytes[from + 1] as number) | 32) !== 103 || bytes[from + 2] !== 95) return
  }
  const text = getText(scan, part)
  if (text.startsWith('pg_stat_') && text !== 'pg_stat_') scan.raiseQuestion('write', part.start, part.end)
  else if (text === 'pg_temp' || text.startsWith('pg_temp_'))
    scan.raise('session', 'session-state', part.start, part.end)
}

/** Whether a part of a name may be one that is known. */
function mayBeKnown({ knowledge, lexer }: Scan, { start, end, isQuoted, decoded }: Part): boolean {
  const names = knowledge?.names
  if (names === undefined || decoded !== undefined) return true
  return isQuoted ? names.mayHave(lexer.bytes, start + 1, end - 1) : names.mayHave(lexer.bytes, start, end)
}

function seeKnown(scan: Scan, name: DottedName, mayBeRelation: boolean): void {
  const knowledge = scan.knowledge
  if (knowledge === undefined) return
  const { count, first, last, schema } = name
  if (!mayBeKnown(scan, first) && (count < 2 || !mayBeKnown(scan, last)) && (count < 3 || !mayBeKnown(scan, schema)))
    return
  if (mayBeRelation) {
    const qualifier = count > 1 ? getText(scan, schema) : undefined
    const known = knowledge.findRelation(qualifier, getText(scan, last))
    // To plan a read of a sequence, or of another server's table, runs nothing.
    if (!scan.isDry || (known?.reason !== 'sequence' && known?.reason !== 'remote-server'))
      raiseKnown(scan, known, name)
  }
  if (count > 1 && (!mayBeRelation || scan.isLoose)) {
    raiseKnown(scan, findAttribute(knowledge, getText(scan, first), getText(scan, last)), name)
    if (count > 2) raiseKnown(scan, findAttribute(knowledge, getText(scan, first), getText(scan, schema)), name)
  }
  // A column's definition, RETURNING, a declaration: a type may stand where any name may.
  seeType(scan, name)
}

/** Looks at a word of the grammar before a parenthesis, which may be the name of a function after all. */
export function seeUnlikelyCall(scan: Scan, name: DottedName): void {
  if (scan.knowledge === undefined || name.count > 1) return
  raiseKnown(scan, scan.knowledge.findFunction(undefined, getText(scan, name.last)), name)
}

/** Looks at the type of a cast: a domain's check or a cast's function may write. */
export function seeType(scan: Scan, name: DottedName): void {
  if (scan.knowledge?.findType === undefined) return
  const schema = name.count > 1 ? getText(scan, name.schema) : undefined
  raiseKnown(scan, scan.knowledge.findType(schema, getText(scan, name.last)), name)
}

/** As {@link seeType}, where only a type may stand: one that the database did not have may be a domain whose check writes. */
export function seeCertainType(scan: Scan, name: DottedName): void {
  seeType(scan, name)
  const { inventory } = scan
  const { last, first } = name
  // `double precision`, `int`: types that the grammar knows.
  const isOfGrammar = name.count === 1 && last.word !== 0 && getCategory(getInformation(last.word)) !== CATEGORY_NAME
  if (inventory === undefined || isOfGrammar) return
  const schema = name.count > 1 ? getText(scan, name.schema) : undefined
  const text = getText(scan, last)
  if (inventory.has('type', schema, text) || inventory.has('relation', schema, text)) return
  // The type of an array.
  if (text.startsWith('_') && inventory.has('type', schema, text.slice(1))) return
  scan.raise('unknown', 'newer-than-catalog', first.start, last.end)
}

/** Looks at a field of a row, `(t).f`: without such a column it calls the function f(t). */
export function seeField(scan: Scan, name: DottedName): void {
  if (scan.knowledge === undefined) return
  raiseKnown(scan, findAttribute(scan.knowledge, '', getText(scan, name.first)), name)
}

function findAttribute(knowledge: Knowledge, row: string, name: string): Known | undefined {
  return knowledge.findAttribute === undefined ? knowledge.findRelation(row, name) : knowledge.findAttribute(name)
}

function raiseKnown(scan: Scan, known: Known | undefined, name: DottedName): void {
  if (known === undefined) return
  if (known.access === 'unknown') scan.addFunction(getText(scan, name.last))
  scan.raiseKnown(known, name.first.start, name.last.end)
}
