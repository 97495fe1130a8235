import assert from 'node:assert/strict'
import { ReplayToPrimary, runInScope, Scope, withPrimary } from '@headwater/core'
import { eventually, POOL_NAME, WHO } from './world.mjs'

export const poolChecks = [
  {
    name: 'pg: a read is answered by the replica',
    run: (world) =>
      world.withPool('nrt', async (pool) => {
        assert.equal(await who(pool), 'replica')
        assert.equal(await withPrimary(() => who(pool)), 'primary')
      }),
  },
  {
    name: 'pg: a write at home, and reads after it in its scope, run on the primary',
    run: (world) =>
      world.withPool('ams', async (pool) => {
        await runInScope(new Scope(), async () => {
          assert.equal(await who(pool), 'replica')
          await pool.query('insert into note (body) values ($1)', ['pg at home'])
          assert.equal(await who(pool), 'primary')
        })
        assert.equal(await world.notes('pg at home'), 1)
      }),
  },
  {
    name: 'pg: a write away becomes a replay, and nothing is written',
    run: (world) =>
      world.withPool('nrt', async (pool) => {
        const scope = world.request(pool)
        await runInScope(scope, async () => {
          await assertReplays(pool.query('insert into note (body) values ($1)', ['pg away']))
          // The scope is spent: whatever follows meets the same error.
          await assertReplays(who(pool))
        })
        assert.equal(await world.notes('pg away'), 0)
      }),
  },
  {
    name: 'pg: transactions commit, roll back, and read on the replica',
    run: (world) =>
      world.withPool('ams', async (pool) => {
        for (const end of ['commit', 'rollback']) {
          await withClient(pool, async (client) => {
            await client.query('begin')
            await client.query('insert into note (body) values ($1)', [`pg ${end}`])
            assert.equal(await who(client), 'primary')
            await client.query(end)
          })
        }
        assert.equal(await world.notes('pg commit'), 1)
        assert.equal(await world.notes('pg rollback'), 0)
        // Outside any scope a read sees the writes before it, at the primary until the replica has them.
        assert.equal(await who(pool), 'primary')
        assert.equal(await pool.caughtUp(), true)
        await withClient(pool, async (client) => {
          await client.query('begin read only')
          assert.equal(await who(client), 'replica')
          await client.query('commit')
        })
      }),
  },
  {
    name: 'pg: a transaction away is replayed at its first write',
    run: (world) =>
      world.withPool('nrt', async (pool) => {
        const work = async (client) => {
          await client.query('begin')
          assert.equal(await who(client), 'replica')
          await assertReplays(client.query("insert into note (body) values ('pg transaction away')"))
        }
        await runInScope(world.request(pool), () => withClient(pool, work))
        assert.equal(await world.notes('pg transaction away'), 0)
      }),
  },
  {
    name: 'pg: thirty scopes at once keep apart',
    run: (world) =>
      world.withPool('ams', async (pool) => {
        const one = async (number) => {
          const isWriter = number % 2 === 0
          if (isWriter) await pool.query("insert into note (body) values ('pg scopes')")
          await new Promise((resolve) => setTimeout(resolve, number % 7))
          assert.equal(await who(pool), isWriter ? 'primary' : 'replica', `scope ${number}`)
        }
        const numbers = Array.from({ length: 30 }, (_, number) => number)
        await Promise.all(numbers.map((number) => runInScope(new Scope(), () => one(number))))
        assert.equal(await world.notes('pg scopes'), 15)
      }),
  },
  {
    name: 'pg: end() leaves no connection behind',
    run: async (world) => {
      await world.withPool('ams', async (pool) => {
        await pool.query("insert into note (body) values ('pg end')")
        await who(pool)
      })
      const query = 'select count(*)::int as count from pg_stat_activity where application_name = $1'
      for (const server of [world.primary, world.replica]) {
        await eventually(async () => (await server.query(query, [POOL_NAME])).rows[0].count === 0)
      }
    },
  },
]

/** A client that a failed check kept would keep end() waiting. */
async function withClient(pool, use) {
  const client = await pool.connect()
  try {
    return await use(client)
  } finally {
    client.release()
  }
}

async function who(connection) {
  const { rows } = await connection.query(WHO)
  return rows[0].who
}

/** Asserts that `work` asks for a replay, whatever an ORM wrapped around the error. */
export async function assertReplays(work) {
  let error = await work.then(
    () => new Error('it was not refused'),
    (reason) => reason,
  )
  const outermost = error
  while (error instanceof Error && !(error instanceof ReplayToPrimary)) error = error.cause
  assert.ok(error instanceof ReplayToPrimary, String(outermost))
}
