import pg from 'pg'
import { describe, expect, test } from 'vitest'
import { copyConfig, toSentQuery } from '../src/driver/sent-query.ts'

const settle = () => undefined
const types = { getTypeParser: () => String }
const config = Object.freeze({
  text: 'select $1',
  name: 'a',
  values: [1],
  rowMode: 'array',
  types,
  queryMode: 'extended',
})
const all = Object.freeze({ ...config, binary: true, portal: 'p', rows: 1, query_timeout: 5 })

describe('the query that pg gets for an app’s configuration', () => {
  test.each([[{ text: 'select 1' }], [config], [all]])('equals the query that pg itself would make', (app) => {
    const sent = toSentQuery({}, app, undefined, settle)
    // With `undefined` each query would be sent the slow way: this pg has fields that are not known here.
    expect(sent).toBeInstanceOf(pg.Query)
    // pg's types declare no callback.
    const theirs: object = new (pg.Query as unknown as new (...args: unknown[]) => object)(app, undefined, settle)
    expect(sent).toMatchObject({ ...theirs })
  })

  test('takes other values, another text, and the time-out with it', () => {
    expect(toSentQuery({}, all, [2], settle, 'select 2')).toMatchObject({
      text: 'select 2',
      values: [2],
      query_timeout: 5,
    })
  })

  test('is a copy of the configuration for a pipeline, which takes only what is of its own pg', () => {
    expect(toSentQuery({ pipeline: true }, all, undefined, settle)).toBeUndefined()
    expect(copyConfig(all)).toEqual(all)
    expect(copyConfig(all)).not.toBe(all)
  })
})
