import pg from 'pg'
import { PgQuery, type ResultInternals } from '../pg-internals.ts'

/** A column of a result, as pg keeps it in `fields`. */
interface Column {
  readonly name: string
  readonly tableID: number
  readonly columnID: number
  readonly dataTypeID: number
  readonly dataTypeSize: number
  readonly dataTypeModifier: number
  readonly format: 'text' | 'binary'
}

type OwnColumn = new (...of: unknown[]) => Column

/**
 * The columns of a prepared statement's results, as its server has described them once (S1).
 *
 * The app owns a result, and may write into its fields: each has its own. Parsers are looked up for each result, since the app may set
 * others at any time. What pg builds for each result to begin its rows with is never changed, so it is kept.
 */
export class KnownColumns {
  readonly #columns: readonly Column[]
  readonly #emptyRow: object | undefined

  constructor(described: readonly object[]) {
    this.#columns = copiesOf(described as readonly Column[])
    if (isResultKnown) this.#emptyRow = emptyRowOf(this.#columns)
  }

  /** A description like the server's. */
  get fields(): readonly object[] {
    return copiesOf(this.#columns)
  }

  /** Prepares a result for its rows as pg does. `false` where the installed pg does it in another way. */
  describe(result: ResultInternals): boolean {
    if (this.#emptyRow === undefined) return false
    addColumns(result, this.#columns, this.#emptyRow)
    return true
  }
}

/** Prepares a result for rows that were just described, as pg does. `false` where the installed pg does it in another way. */
export function describeRows(result: ResultInternals, described: readonly object[]): boolean {
  if (!isResultKnown) return false
  const columns = described as readonly Column[]
  addParsers(result, columns)
  result.fields = columns
  result._prebuiltEmptyResultObject = keptEmptyRowOf(columns)
  return true
}

function addColumns(result: ResultInternals, columns: readonly Column[], emptyRow: object): void {
  addParsers(result, columns)
  result.fields = copiesOf(columns)
  result._prebuiltEmptyResultObject = emptyRow
}

function addParsers(result: ResultInternals, columns: readonly Column[]): void {
  const types = result._types ?? pg.types
  const { length } = columns
  const parsers = new Array<unknown>(length)
  for (let index = 0; index < length; index += 1) {
    const { dataTypeID, format } = columns[index] as Column
    parsers[index] = types.getTypeParser(dataTypeID, format || 'text')
  }
  if (length > 0) result._parsers = parsers
}

interface EmptyRow {
  readonly names: readonly string[]
  readonly row: object
}

/** A power of two. */
const PLACES = 512
/** What rows with these columns begin with, by a number that a few of them may share: the last ones that came twice. */
const emptyRows = Array<EmptyRow | undefined>(PLACES).fill(undefined)
/** At the same places, what came last, as a number. */
const singles = new Int32Array(PLACES)

function keptEmptyRowOf(columns: readonly Column[]): object {
  const mixed = mixedOf(columns)
  const place = mixed & (PLACES - 1)
  const kept = emptyRows[place]
  if (kept !== undefined && isNamed(columns, kept.names)) return kept.row
  const row = emptyRowOf(columns)
  // Many never come back.
  if (singles[place] === mixed) emptyRows[place] = { names: columns.map(({ name }) => name), row }
  singles[place] = mixed
  return row
}

function mixedOf(columns: readonly Column[]): number {
  let mixed = columns.length
  for (const { name } of columns) {
    const { length } = name
    if (length > 0) mixed = Math.imul(mixed, 31) + length + (name.charCodeAt(length - 1) << 8)
  }
  return mixed ^ (mixed >>> 9)
}

function isNamed(columns: readonly Column[], names: readonly string[]): boolean {
  if (columns.length !== names.length) return false
  for (let index = 0; index < names.length; index += 1) if (columns[index]?.name !== names[index]) return false
  return true
}

function emptyRowOf(columns: readonly Column[]): object {
  // The copy has room for them all in itself, and copies of it are made faster.
  return { ...Object.fromEntries(columns.map(({ name }) => [name, null])) }
}

function copiesOf(columns: readonly Column[]): Column[] {
  return columns.map((column) => {
    const Own = column.constructor as OwnColumn
    const { name, tableID, columnID, dataTypeID, dataTypeSize, dataTypeModifier, format } = column
    return new Own(name, tableID, columnID, dataTypeID, dataTypeSize, dataTypeModifier, format)
  })
}

/** Whether the results of the installed pg keep the columns where they are put here, and nowhere else. */
const isResultKnown = isLikeTheirs()

function isLikeTheirs(): boolean {
  const make = () => new PgQuery('', undefined, () => undefined)._result
  const column = { tableID: 1, columnID: 2, dataTypeID: 20, dataTypeSize: 8, dataTypeModifier: -1, format: 'text' }
  const columns = ['b', '1', 'a', 'b', '__proto__'].map((name) => ({ name, ...column }) as Column)
  const [theirs, ours] = [make(), make()]
  theirs.addFields?.(columns)
  addColumns(ours, columns, emptyRowOf(columns))
  const alike = columns.map((field) => ({ ...field }))
  const { isDeepStrictEqual } = process.getBuiltinModule('node:util')
  return isDeepStrictEqual({ ...theirs, fields: alike }, { ...ours, fields: alike })
}
