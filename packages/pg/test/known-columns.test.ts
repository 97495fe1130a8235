import pg from 'pg'
import { afterEach, expect, test } from 'vitest'
import { PgQuery, type ResultInternals } from '../src/driver/pg-internals.ts'
import { describeRows, KnownColumns } from '../src/driver/prepare/known-columns.ts'

const INT8 = 20
const parseInt8 = pg.types.getTypeParser(INT8)
afterEach(() => pg.types.setTypeParser(INT8, parseInt8))

class Column {
  readonly name: string
  readonly tableID = 1
  readonly columnID = 2
  readonly dataTypeID = INT8
  readonly dataTypeSize = 8
  readonly dataTypeModifier = -1
  readonly format = 'text'

  constructor(name: string) {
    this.name = name
  }
}

const described = ['id', '1', '__proto__', 'id'].map((name) => new Column(name))
const known = new KnownColumns(described)

type Result = ResultInternals & { parseRow(row: readonly string[]): object }
const resultOf = (columns: KnownColumns): Result => {
  const result = new PgQuery('', undefined, () => undefined)._result as Result
  expect(columns.describe(result)).toBe(true)
  return result
}

test('S1: rows are those that pg makes of a description, also of columns with the same name and strange ones', () => {
  const theirs = new PgQuery('', undefined, () => undefined)._result as Result
  theirs.addFields?.(described)
  const ours = resultOf(known).parseRow(['1', '2', '3', '4'])
  expect(ours).toStrictEqual(theirs.parseRow(['1', '2', '3', '4']))
  expect(Object.keys(ours)).toEqual(['1', 'id', '__proto__'])
})

test("S1: what an app writes into one result's fields or rows is in no other", () => {
  const first = resultOf(known)
  const [column] = first.fields ?? []
  Object.assign(column as object, { name: 'changed' })
  const row = first.parseRow(['1', '2', '3', '4'])
  Object.assign(row, { id: 'changed', more: 1 })
  expect(resultOf(known).fields).toEqual(described)
  expect(resultOf(known).parseRow(['1', '2', '3', '4'])).toMatchObject({ id: '4' })
})

test('S1: a type parser counts from the next result on', () => {
  expect(resultOf(known).parseRow(['1', '2', '3', '4'])).toMatchObject({ id: '4' })
  pg.types.setTypeParser(INT8, Number)
  expect(resultOf(known).parseRow(['1', '2', '3', '4'])).toMatchObject({ id: 4 })
})

test('rows of a result that was just described are those of pg, whatever came before and what the app wrote into it', () => {
  const columnsOf = (...names: string[]) => names.map((name) => new Column(name))
  const rowOf = (names: readonly string[], prepare: (result: Result, columns: Column[]) => unknown) => {
    const result = new PgQuery('', undefined, () => undefined)._result as Result
    const columns = columnsOf(...names)
    prepare(result, columns)
    expect(result.fields).toBe(columns)
    const row = result.parseRow(names.map((_, index) => String(index)))
    Object.assign(columns[0] ?? {}, { name: 'changed' })
    return row
  }
  const shapes = [['id', '1', '__proto__', 'id'], ['a', 'b'], ['b', 'a'], ['changed', 'b'], ['a', 'b'], [], ['']]
  for (const names of [...shapes, ...shapes, ...shapes]) {
    const ours = rowOf(names, (result, columns) => expect(describeRows(result, columns)).toBe(true))
    const theirs = rowOf(names, (result, columns) => result.addFields?.(columns))
    expect(ours).toStrictEqual(theirs)
    expect(Object.keys(ours)).toEqual(Object.keys(theirs))
  }
})
