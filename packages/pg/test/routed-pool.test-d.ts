import type { Topology } from '@headwater/core'
import type pg from 'pg'
import { describe, expectTypeOf, it } from 'vitest'
import { type PoolStatus, RoutedPool, type RoutedPoolOptions } from '../src/index.ts'

const pool = {} as RoutedPool

describe('types of pg', () => {
  it('a RoutedPool can be used wherever a pg.Pool can', () => {
    expectTypeOf<RoutedPool>().toExtend<pg.Pool>()
    expectTypeOf<RoutedPool>().toExtend<{ readonly topology: Topology }>()
    expectTypeOf(pool.topology).toEqualTypeOf<Topology>()
  })

  it('O4: status() is there at once, and its roles and verdicts are closed unions', () => {
    expectTypeOf(pool.status()).toEqualTypeOf<PoolStatus>()
    expectTypeOf<PoolStatus['servers'][number]['verdict']>().toEqualTypeOf<'unknown' | 'up' | 'suspect' | 'down'>()
    expectTypeOf(pool.status().servers[0]?.role).not.toEqualTypeOf<string | undefined>()
  })

  it('query and connect have pg’s own types', () => {
    expectTypeOf(pool.query).toEqualTypeOf<pg.Pool['query']>()
    expectTypeOf(pool.connect).toEqualTypeOf<pg.Pool['connect']>()
    expectTypeOf(pool.query<{ id: number }>('select 1')).toEqualTypeOf<Promise<pg.QueryResult<{ id: number }>>>()
  })

  it('it takes all options of pg.Pool; regions and routing are checked', () => {
    expectTypeOf<pg.PoolConfig>().toExtend<RoutedPoolOptions>()
    new RoutedPool({ routing: 'opt-in', writesOutsideRequest: 'throw', replicas: [{ region: 'nrt', host: 'h' }] })
    // @ts-expect-error no such routing
    new RoutedPool({ routing: 'fast' })
    // @ts-expect-error a region is a string
    new RoutedPool({ region: 7 })
  })
})
