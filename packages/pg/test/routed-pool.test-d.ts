import { Resolver } from 'node:dns/promises'
import type { Topology } from '@headwater/core'
import type pg from 'pg'
import { describe, expectTypeOf, it } from 'vitest'
import {
  type PoolStatus,
  patroni,
  RoutedPool,
  type RoutedPoolOptions,
  type ServerFacts,
  type Truth,
} from '../src/index.ts'

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
  it('X7: servers have no roles, so what says the same in another way does not compile beside them', () => {
    new RoutedPool({
      servers: [
        { region: 'ams', connectionString: 'postgres://a' },
        { host: 'b', port: 5433 },
      ],
      max: 3,
    })
    // @ts-expect-error a primary beside servers
    new RoutedPool({ servers: [{ host: 'a' }], primary: { host: 'a' } })
    // @ts-expect-error replicas beside servers
    new RoutedPool({ servers: [{ host: 'a' }], replicas: [] })
    // @ts-expect-error the primary's address beside servers
    new RoutedPool({ servers: [{ host: 'a' }], connectionString: 'postgres://a' })
    // @ts-expect-error each of servers is one server
    new RoutedPool({ servers: [{ host: 'a', endpoint: 'moving' }] })
    // @ts-expect-error each of servers is one server
    new RoutedPool({ servers: [{ host: 'a', endpoint: 'load-balancer' }] })
  })

  it('X4: an address moves for a primary, is balanced for a replica, and has a region to be found out where it moves', () => {
    const regionOf = ({ address, timeline }: ServerFacts) => (timeline > 1 ? address : undefined)
    new RoutedPool({ primary: { endpoint: 'moving', host: 'proxy', regionOf } })
    new RoutedPool({ primary: { endpoint: 'moving', host: 'proxy', regionOf: async () => 'ams' } })
    // @ts-expect-error a primary is not balanced
    new RoutedPool({ primary: { endpoint: 'load-balancer', host: 'proxy' } })
    // @ts-expect-error a replica does not move
    new RoutedPool({ replicas: [{ endpoint: 'moving', host: 'proxy' }] })
    // @ts-expect-error a fixed primary has its region
    new RoutedPool({ primary: { host: 'a', regionOf } })
  })

  it('X4: what DNS finds has no address of its own, and its records are of a kind that has servers', () => {
    new RoutedPool({ replicas: [{ region: 'nrt', discover: 'nrt.db.internal', port: 5433 }, { host: 'r' }] })
    new RoutedPool({ replicas: [{ discover: { name: '_pg._tcp.db', records: 'SRV', resolver: new Resolver() } }] })
    // @ts-expect-error no such records
    new RoutedPool({ replicas: [{ discover: { name: 'db', records: 'TXT' } }] })
    // @ts-expect-error an address beside it
    new RoutedPool({ replicas: [{ discover: 'db', host: 'a' }] })
    // @ts-expect-error each address that is found is one server
    new RoutedPool({ replicas: [{ discover: 'db', endpoint: 'load-balancer' }] })
  })

  it('X7: a truth names one of the servers, or an address, or nobody', () => {
    expectTypeOf(patroni({ url: 'http://a:8008' })).toEqualTypeOf<Truth>()
    new RoutedPool({ truth: (servers) => servers[0] })
    new RoutedPool({ truth: async (_servers, signal) => (signal.aborted ? undefined : { host: 'a', port: 5432 }) })
    // @ts-expect-error no name is an address
    new RoutedPool({ truth: () => 'a' })
  })
})
