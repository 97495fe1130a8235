import { OptionsInvalid } from '@headwater/core'
import { RoutedPool } from '@headwater/pg'
import { Kysely } from 'kysely'
import pg from 'pg'
import { describe, expect, it } from 'vitest'
import { HeadwaterDialect, type HeadwaterDialectOptions } from '../src/index.ts'

const pool = () => new RoutedPool({ primary: { connectionString: 'postgres://u:s3cret@127.0.0.1:1/x' }, replicas: [] })

describe('options', () => {
  it.each([
    ['pool', { pool: undefined }, /pool: is not a RoutedPool; make one/],
    ['pool', { pool: new pg.Pool() }, /pool: is not a RoutedPool/],
    [
      'cursor',
      { pool: pool(), cursor: 'pg-cursor' },
      /cursor: is of type string; expected the class that pg-cursor exports/,
    ],
    ['migrationTables', { pool: pool(), migrationTables: 'mine' }, /migrationTables: expected an array/],
  ])('a wrong %s is named, with what was expected', (option, options, message) => {
    const make = () => new HeadwaterDialect(options as unknown as HeadwaterDialectOptions)
    expect(make).toThrow(OptionsInvalid)
    expect(make).toThrow(message)
    expect(make).toThrow(expect.objectContaining({ option }))
  })

  it('a function that makes a plain pool is rejected at the first query', async () => {
    const plain = async () => new pg.Pool() as unknown as RoutedPool
    const db = new Kysely<{ note: { id: number } }>({ dialect: new HeadwaterDialect({ pool: plain }) })
    await expect(db.selectFrom('note').select('id').execute()).rejects.toThrow(/is not a RoutedPool/)
  })

  it('it connects to nothing before the first query', async () => {
    const own = pool()
    const db = new Kysely({ dialect: new HeadwaterDialect({ pool: own }) })
    await db.destroy()
    expect(own.totalCount).toBe(0)
    await own.end()
  })
})
