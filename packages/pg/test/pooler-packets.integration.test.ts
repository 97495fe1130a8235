import { FrontendTap, hasPgBouncer, inRequest, PgBouncer, untilCatalogIsRead, WHO, World } from '@headwater/test-world'
import { expect, it } from 'vitest'

const MODES = ['session', 'transaction', 'statement'] as const

it.skipIf(!hasPgBouncer).each(MODES)(
  'S2: a read is one round trip through PgBouncer in %s mode, tried or proven',
  async (mode) => {
    await using world = await World.start()
    await using pooler = await PgBouncer.start({ replica: world.replica() }, { pool_mode: mode })
    await using tap = await FrontendTap.open({ host: '127.0.0.1', port: Number(new URL(pooler.url('replica')).port) })
    const connectionString = tap.url.replace(/postgres$/, 'replica')
    const pool = world.pool('nrt', {
      max: 1,
      replicas: [{ region: 'nrt', connectionString, pooler: mode === 'session' ? 'session' : 'transaction' }],
    })
    await untilCatalogIsRead(pool)
    const packets = async (run: () => Promise<unknown>): Promise<string> => {
      await run()
      tap.take()
      await run()
      return tap.take()
    }
    const parameters = { text: 'select who from server where $1 > 0', values: [1] }
    expect(await packets(() => pool.query(WHO))).toBe('Q')
    expect(await packets(() => inRequest(pool, () => pool.query(WHO)))).toBe('Q')
    expect(await packets(() => pool.query(parameters))).toBe('PBDES')
    // BEGIN READ ONLY, its own, COMMIT.
    const tried = 'select who, count_notes() from server'
    expect(await packets(() => inRequest(pool, () => pool.query(tried)))).toBe('PBEPBDEPBES')
    await pool.end()
  },
)
