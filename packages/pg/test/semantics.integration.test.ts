import { World } from '@headwater/test-world'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { RoutedPoolOptions } from '../src/index.ts'
import { AREAS } from './semantics/areas.ts'
import type { Subject } from './semantics/row.ts'

let world: World
beforeAll(async () => {
  world = await World.start()
})
afterAll(() => world[Symbol.asyncDispose]())

const END_MILLIS = 5_000
let opened: pg.Pool[] = []
const keep = <Pool extends pg.Pool>(pool: Pool): Pool => {
  opened.push(pool)
  return pool
}

/** Whatever a row did, its pools serve all their places, and end with nothing left. */
afterEach(async () => {
  const pools = opened
  opened = []
  for (const pool of pools) {
    if (!pool.ending) await pool.end()
    await expect
      .poll(() => [pool.ended, pool.totalCount, pool.waitingCount], { timeout: END_MILLIS })
      .toEqual([true, 0, 0])
  }
})

const BARE: Subject = {
  get world() {
    return world
  },
  open: (options) => {
    const pool = keep(new pg.Pool({ connectionString: world.cluster.primary.url, ...withoutEager(options) }))
    return pool
  },
}

/** An option of RoutedPool's own is what pg always does. */
function withoutEager(options: pg.PoolConfig | undefined): pg.PoolConfig {
  const { connect: _connect, ...own } = (options ?? {}) as RoutedPoolOptions
  return own
}

const ROUTED: Subject = {
  get world() {
    return world
  },
  open: ({ host, port, ...options } = {}) => {
    // Where nobody listens, neither the primary nor the replica does.
    const place = { region: 'ams', host, port }
    const elsewhere = port === undefined ? {} : { primary: place, replicas: [place] }
    return keep(
      world.pool('ams', { connectionTimeoutMillis: undefined, ...options, ...elsewhere } as RoutedPoolOptions),
    )
  },
}

describe.each(AREAS)('R10: $title', ({ rows }) => {
  describe.each(rows)('$says', ({ run, gives, differs }) => {
    it('bare pg', async () => {
      expect(await run(BARE)).toEqual(gives)
    })

    it(differs === undefined ? 'RoutedPool does the same' : 'RoutedPool differs on purpose', async () => {
      expect(await run(ROUTED)).toEqual(differs === undefined ? gives : differs.gives)
    })
  })
})
